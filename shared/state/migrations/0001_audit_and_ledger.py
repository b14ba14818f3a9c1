"""The audit chain and the idempotency ledger."""

from alembic import op

from shared.state.migrate import run_script

revision = "0001"
down_revision = None

AUDIT = """
CREATE TABLE suite.audit_chain (
    chain uuid PRIMARY KEY,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled boolean NOT NULL DEFAULT false
);
COMMENT ON COLUMN suite.audit_chain.settled IS
    'no intent of this chain is left without an outcome: a worklist for recovery, not evidence';

CREATE TABLE suite.audit (
    chain uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL UNIQUE,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    intent uuid,
    tenant text,
    subject text,
    issuer text,
    client text,
    actor text,
    server text,
    target_kind text,
    target text,
    effect text,
    outcome text,
    duration_us bigint,
    request_id text,
    trace_id text,
    client_address text,
    body bytea NOT NULL,
    key_id text NOT NULL,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (chain, seq)
);
COMMENT ON TABLE suite.audit IS
    'body is the record; the columns before it repeat parts of body for queries, and verify compares them';
CREATE INDEX audit_intent ON suite.audit (intent) WHERE intent IS NOT NULL;
CREATE INDEX audit_at ON suite.audit (at);
CREATE INDEX audit_target ON suite.audit (tenant, target, at);
CREATE INDEX audit_subject ON suite.audit (tenant, subject, at);
"""

LEDGER = """
CREATE TABLE suite.ledger (
    tenant_id text NOT NULL,
    claim bytea NOT NULL,
    intent uuid NOT NULL UNIQUE,
    digest bytea NOT NULL,
    answer bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, claim)
);
COMMENT ON COLUMN suite.ledger.answer IS
    'AES-256-GCM; null marks an intent that recovery found undone, so that a late transaction cannot do it';
CREATE INDEX ledger_expires_at ON suite.ledger (expires_at);

ALTER TABLE suite.ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE suite.ledger FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON suite.ledger TO suite_app
    USING (tenant_id = current_setting('app.tenant', true))
    WITH CHECK (tenant_id = current_setting('app.tenant', true));
CREATE POLICY expired ON suite.ledger FOR ALL TO suite_owner USING (expires_at < now());

CREATE FUNCTION suite.purge_ledger() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (DELETE FROM suite.ledger WHERE expires_at < now() RETURNING 1)
    SELECT count(*) FROM gone
$$;
"""

GRANTS = """
REVOKE ALL ON FUNCTION suite.purge_ledger() FROM PUBLIC;
GRANT USAGE ON SCHEMA suite TO suite_app, suite_reader;
GRANT EXECUTE ON FUNCTION suite.purge_ledger() TO suite_app;
GRANT SELECT, INSERT, UPDATE ON suite.ledger TO suite_app;
GRANT SELECT, INSERT, UPDATE ON suite.audit_chain TO suite_app;
GRANT INSERT ON suite.audit TO suite_app;
GRANT SELECT (chain, seq, id, at, kind, intent, tenant, subject, issuer, client, actor, server, target_kind,
              target, effect, outcome, hash) ON suite.audit TO suite_app;
GRANT SELECT ON suite.audit, suite.audit_chain TO suite_reader;
"""


def upgrade() -> None:
    for script in (AUDIT, LEDGER, GRANTS):
        run_script(script)


def downgrade() -> None:
    for name in ("ledger", "audit", "audit_chain"):
        op.execute(f"DROP TABLE suite.{name}")
    op.execute("DROP FUNCTION suite.purge_ledger()")
