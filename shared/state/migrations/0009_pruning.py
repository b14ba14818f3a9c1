"""What was removed of the audit, by signed statements; and the only way to remove it that leaves one."""

from alembic import op

from shared.state.migrate import run_script

revision = "0009"
down_revision = "0008"

PRUNED = """
CREATE TABLE suite.audit_pruned (
    chain uuid PRIMARY KEY,
    seq bigint NOT NULL CHECK (seq >= 0),
    until timestamptz NOT NULL,
    statement text NOT NULL
);
COMMENT ON TABLE suite.audit_pruned IS
    'of each chain whose beginning was removed: the last number that went, the newest time, and the signed statement';

ALTER TABLE suite.audit_pruned ENABLE ROW LEVEL SECURITY;
CREATE POLICY reading ON suite.audit_pruned FOR SELECT TO suite_reader, suite_console USING (true);
"""

# Statement and removal are one. The signature is not the database's to check: verify does. The 30 days are those of
# SUITE_AUDIT_KEPT_DAYS, so that a role that may do nothing but this cannot remove what is younger.
PRUNE = """
CREATE FUNCTION suite.prune_audit(said text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_chain uuid := said::jsonb ->> 'chain';
    through bigint := said::jsonb ->> 'seq';
    removed bigint;
BEGIN
    IF EXISTS (SELECT FROM suite.audit AS a
               WHERE a.chain = of_chain AND a.seq <= through AND a.at > now() - interval '30 days') THEN
        RAISE EXCEPTION 'records of the last 30 days are not pruned' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO suite.audit_pruned AS p (chain, seq, until, statement)
    VALUES (of_chain, through, (said::jsonb ->> 'until')::timestamptz, said)
    ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, until = excluded.until, statement = excluded.statement
    WHERE p.seq <= excluded.seq;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'more of this chain was pruned already' USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM suite.audit AS a WHERE a.chain = of_chain AND a.seq <= through;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END
$$;
"""

GRANTS = """
REVOKE ALL ON FUNCTION suite.prune_audit(text) FROM PUBLIC;
GRANT SELECT ON suite.audit_pruned TO suite_reader, suite_console;
"""


def upgrade() -> None:
    for script in (PRUNED, PRUNE, GRANTS):
        run_script(script)


def downgrade() -> None:
    op.execute("DROP FUNCTION suite.prune_audit(text)")
    op.execute("DROP TABLE suite.audit_pruned")
