"""The audit and the switches as the console may look at them: one tenant's, found by whatever a record names."""

from alembic import op

from shared.state.migrate import run_script

revision = "0007"
down_revision = "0006"

# Whoever has many records makes these first, with CREATE INDEX CONCURRENTLY: writing the audit waits for the others.
INDEXES = """
CREATE INDEX IF NOT EXISTS audit_tenant ON suite.audit (tenant, at) INCLUDE (kind, server, outcome, duration_us);
CREATE INDEX IF NOT EXISTS audit_actor ON suite.audit (tenant, actor, at) WHERE actor IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_refused ON suite.audit (tenant, outcome, at) WHERE outcome <> 'ok';
CREATE INDEX IF NOT EXISTS audit_request ON suite.audit (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_trace ON suite.audit (trace_id) WHERE trace_id IS NOT NULL;
"""

# The ids a record names, wherever in it: C-000042, T-7QX2M4N9KP, A-… . They are made of the signed body each time, so
# there is no second place that could say something else. Its cost keeps the planner from asking it row by row.
NAMED = r"""
CREATE FUNCTION suite.audit_named(tenant text, body bytea) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000 SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT tenant || ' ' || found[1]), '{}')
    FROM regexp_matches(convert_from(body, 'UTF8') COLLATE "C",
                        '\m([A-Z][A-Z0-9_]{0,15}-[0-9A-Z]{1,26})\M', 'g') AS found
$$;
CREATE INDEX IF NOT EXISTS audit_named ON suite.audit USING gin (suite.audit_named(tenant, body))
    WHERE tenant IS NOT NULL;

CREATE FUNCTION suite.audit_naming(named text, since timestamptz, until timestamptz)
RETURNS TABLE (chain uuid, seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 SET search_path = pg_catalog, pg_temp AS $$
    WITH found AS MATERIALIZED (  -- by that index alone: the tenant has far more records than name one thing
        SELECT chain, seq, tenant, at FROM suite.audit
        WHERE tenant IS NOT NULL
          AND suite.audit_named(tenant, body) @> ARRAY[current_setting('app.tenant', true) || ' ' || named]
    )
    SELECT chain, seq FROM found WHERE tenant = current_setting('app.tenant', true) AND at >= since AND at < until
$$;
"""

# Row-level security keeps an index of a function from being used, hence the function of the owner's above. A chain
# holds many tenants' records; that it is whole is seen by its hashes, which tell nothing of what was hashed.
AUDIT = """
CREATE VIEW suite.audit_links WITH (security_barrier) AS SELECT chain, seq, prev_hash, hash FROM suite.audit;

ALTER TABLE suite.audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY serving ON suite.audit TO suite_app USING (true) WITH CHECK (true);
CREATE POLICY reading ON suite.audit FOR SELECT TO suite_reader, suite_console USING (true);
CREATE POLICY own ON suite.audit AS RESTRICTIVE FOR SELECT TO suite_console
    USING (tenant = current_setting('app.tenant', true) OR (tenant IS NULL AND kind = 'chain'));
"""

# The console's role is a member of the operator's, so what narrows it has to be restrictive.
SWITCHES = """
ALTER TABLE suite.switches ENABLE ROW LEVEL SECURITY;
CREATE POLICY obeying ON suite.switches FOR SELECT TO suite_app USING (true);
CREATE POLICY operating ON suite.switches TO suite_operator, suite_console USING (true) WITH CHECK (true);
CREATE POLICY seeing ON suite.switches AS RESTRICTIVE FOR SELECT TO suite_console
    USING (tenant = current_setting('app.tenant', true) OR (tenant IS NULL AND kind IN ('tool', 'server', 'client')));
CREATE POLICY stopping ON suite.switches AS RESTRICTIVE FOR INSERT TO suite_console
    WITH CHECK (tenant = current_setting('app.tenant', true) AND kind IN ('tool', 'server', 'client', 'user'));
CREATE POLICY prolonging ON suite.switches AS RESTRICTIVE FOR UPDATE TO suite_console
    USING (tenant = current_setting('app.tenant', true) AND kind IN ('tool', 'server', 'client', 'user'))
    WITH CHECK (tenant = current_setting('app.tenant', true) AND kind IN ('tool', 'server', 'client', 'user'));
CREATE POLICY resuming ON suite.switches AS RESTRICTIVE FOR DELETE TO suite_console
    USING (tenant = current_setting('app.tenant', true) AND kind IN ('tool', 'server', 'client', 'user'));
"""

GRANTS = """
REVOKE ALL ON FUNCTION suite.audit_naming(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT USAGE ON SCHEMA suite TO suite_console;
GRANT EXECUTE ON FUNCTION suite.audit_naming(text, timestamptz, timestamptz) TO suite_console, suite_reader;
GRANT SELECT ON suite.audit, suite.audit_chain, suite.audit_links, suite.switches, suite.switches_version
    TO suite_console;
GRANT INSERT (kind, server, name, tenant, issuer, reason, set_by, expires_at),
      UPDATE (reason, set_by, set_at, expires_at), DELETE ON suite.switches TO suite_console;
"""


def upgrade() -> None:
    for script in (INDEXES, NAMED, AUDIT, SWITCHES, GRANTS):
        run_script(script)


def downgrade() -> None:
    for table, policies in (
        ("audit", ("serving", "reading", "own")),
        ("switches", ("obeying", "operating", "seeing", "stopping", "prolonging", "resuming")),
    ):
        for policy in policies:
            op.execute(f"DROP POLICY {policy} ON suite.{table}")
        op.execute(f"ALTER TABLE suite.{table} DISABLE ROW LEVEL SECURITY")
    op.execute("DROP VIEW suite.audit_links")
    op.execute("DROP FUNCTION suite.audit_naming(text, timestamptz, timestamptz)")
    for name in ("named", "tenant", "actor", "refused", "request", "trace"):
        op.execute(f"DROP INDEX suite.audit_{name}")
    op.execute("DROP FUNCTION suite.audit_named(text, bytea)")
