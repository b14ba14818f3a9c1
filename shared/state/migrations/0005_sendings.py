"""Writes to other people's systems: each is on record before it is sent, so that it is never sent twice."""

from alembic import op

from shared.state.migrate import run_script

revision = "0005"
down_revision = "0004"

TABLE = """
CREATE TABLE suite.sendings (
    tenant_id text NOT NULL,
    marker text NOT NULL,
    digest bytea NOT NULL,
    intent uuid,
    upstream text NOT NULL,
    server text NOT NULL,
    tool text NOT NULL,
    step text NOT NULL,
    target text NOT NULL,
    state text NOT NULL CHECK (state IN ('sending', 'done', 'refused', 'unknown', 'lost')),
    reference text CHECK ((reference IS NOT NULL) = (state = 'done')),
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    PRIMARY KEY (tenant_id, marker)
);
COMMENT ON TABLE suite.sendings IS
    'committed before a write leaves for another system; the marker goes with it, so that it is found there again';
CREATE INDEX sendings_unsettled ON suite.sendings (tenant_id, upstream, sent_at) WHERE state IN ('sending', 'unknown');
CREATE INDEX sendings_intent ON suite.sendings (intent) WHERE intent IS NOT NULL;
CREATE INDEX sendings_settled ON suite.sendings (settled_at) WHERE settled_at IS NOT NULL;
"""

POLICIES = """
ALTER TABLE suite.sendings ENABLE ROW LEVEL SECURITY;
ALTER TABLE suite.sendings FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON suite.sendings TO suite_app
    USING (tenant_id = current_setting('app.tenant', true))
    WITH CHECK (tenant_id = current_setting('app.tenant', true));
CREATE POLICY old ON suite.sendings FOR ALL TO suite_owner USING (settled_at < now() - interval '30 days');

CREATE FUNCTION suite.purge_sendings() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (DELETE FROM suite.sendings WHERE settled_at < now() - interval '30 days' RETURNING 1)
    SELECT count(*) FROM gone
$$;
"""

GRANTS = """
REVOKE ALL ON FUNCTION suite.purge_sendings() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION suite.purge_sendings() TO suite_app;
GRANT SELECT, INSERT ON suite.sendings TO suite_app;
GRANT UPDATE (digest, intent, target, state, reference, sent_at, settled_at) ON suite.sendings TO suite_app;
"""


def upgrade() -> None:
    for script in (TABLE, POLICIES, GRANTS):
        run_script(script)


def downgrade() -> None:
    op.execute("DROP TABLE suite.sendings")
    op.execute("DROP FUNCTION suite.purge_sendings()")
