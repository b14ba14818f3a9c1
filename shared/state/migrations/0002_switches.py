"""What is switched off, who may switch, and a number that changes with every change."""

from alembic import op
from sqlalchemy import text

from shared.core.errors import Misconfigured
from shared.state.migrate import run_script

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE suite.switches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    server text,
    name text,
    tenant text,
    issuer text,
    reason text NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    CONSTRAINT switches_one_each UNIQUE NULLS NOT DISTINCT (kind, server, name, tenant, issuer),
    CONSTRAINT switches_parts CHECK (
        CASE kind
            WHEN 'tool' THEN server IS NOT NULL AND name IS NOT NULL AND issuer IS NULL
            WHEN 'server' THEN server IS NOT NULL AND name IS NULL AND issuer IS NULL
            WHEN 'client' THEN server IS NULL AND name IS NOT NULL
            WHEN 'user' THEN server IS NULL AND name IS NOT NULL AND tenant IS NOT NULL
            WHEN 'tenant' THEN server IS NULL AND name IS NULL AND tenant IS NOT NULL AND issuer IS NULL
            WHEN 'token' THEN server IS NULL AND name IS NOT NULL AND tenant IS NULL
            WHEN 'login' THEN server IS NULL AND name IS NOT NULL AND tenant IS NULL
            ELSE false
        END),
    CONSTRAINT switches_not_empty CHECK ('' NOT IN (coalesce(server, '-'), coalesce(name, '-'),
                                                    coalesce(tenant, '-'), coalesce(issuer, '-'), reason))
);
COMMENT ON TABLE suite.switches IS
    'what is off; each row is known to every replica within a second, and recorded in suite.audit before it counts';
CREATE INDEX switches_expires_at ON suite.switches (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE suite.switches_version (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    version bigint NOT NULL
);
INSERT INTO suite.switches_version (version) VALUES (1);
COMMENT ON TABLE suite.switches_version IS 'replicas read this one row twice a second, and the rest when it changed';
"""

# A row is locked from the change to its commit, so that who sees a new number sees all it stands for.
FUNCTIONS = """
CREATE FUNCTION suite.count_change_of_switches() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE suite.switches_version SET version = version + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON suite.switches
    FOR EACH ROW EXECUTE FUNCTION suite.count_change_of_switches();
CREATE TRIGGER emptied AFTER TRUNCATE ON suite.switches
    FOR EACH STATEMENT EXECUTE FUNCTION suite.count_change_of_switches();

CREATE FUNCTION suite.purge_switches() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (DELETE FROM suite.switches WHERE expires_at < now() RETURNING 1)
    SELECT count(*) FROM gone
$$;
"""

# Whoever serves calls may look, and may not lift.
GRANTS = """
REVOKE ALL ON FUNCTION suite.purge_switches(), suite.count_change_of_switches() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION suite.purge_switches() TO suite_app;
GRANT SELECT ON suite.switches, suite.switches_version TO suite_app, suite_operator;
GRANT USAGE ON SCHEMA suite TO suite_operator;
GRANT INSERT (kind, server, name, tenant, issuer, reason, set_by, expires_at),
      UPDATE (reason, set_by, set_at, expires_at), DELETE ON suite.switches TO suite_operator;
"""


def upgrade() -> None:
    if not op.get_bind().scalar(text("SELECT to_regrole('suite_operator') IS NOT NULL")):
        raise Misconfigured(
            "there is no role suite_operator, which stops tools and users. Let the administrator of the database run "
            "CREATE ROLE suite_operator LOGIN PASSWORD '…'; GRANT CONNECT ON DATABASE … TO suite_operator; "
            "then migrate again"
        )
    for script in (TABLES, FUNCTIONS, GRANTS):
        run_script(script)


def downgrade() -> None:
    for name in ("switches", "switches_version"):
        op.execute(f"DROP TABLE suite.{name}")
    for name in ("purge_switches", "count_change_of_switches"):
        op.execute(f"DROP FUNCTION suite.{name}()")
