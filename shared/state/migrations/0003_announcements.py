"""What was changed outside of calls, for as long as nobody has told its followers."""

from alembic import op

from shared.state.migrate import run_script

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE TABLE suite.announcements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server text NOT NULL CHECK (server <> ''),
    tenant text NOT NULL CHECK (tenant <> ''),
    uri text NOT NULL CHECK (uri <> ''),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE suite.announcements IS
    'written in the transaction of the change; a replica of the server publishes a row, and then deletes it';
"""

# Whoever acts for a tenant may leave word of its resources, and cannot read any back. Rows are seen by who says that
# it publishes, in its own transaction: no call does, so that a statement without a tenant shows nothing either.
POLICIES = """
ALTER TABLE suite.announcements ENABLE ROW LEVEL SECURITY;
ALTER TABLE suite.announcements FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON suite.announcements FOR INSERT TO suite_app, suite_owner
    WITH CHECK (tenant = current_setting('app.tenant', true));
CREATE POLICY publishing ON suite.announcements FOR ALL TO suite_app
    USING (current_setting('app.publishing', true) = 'announcements') WITH CHECK (false);
"""

FUNCTIONS = """
CREATE FUNCTION suite.announce(server text, tenant text, uris text[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO suite.announcements (server, tenant, uri)
    SELECT $1, $2, given.uri FROM unnest($3) WITH ORDINALITY AS given (uri, place) ORDER BY given.place
$$;

CREATE FUNCTION suite.wake_publishers() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('suite_announcements', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER announced AFTER INSERT ON suite.announcements
    FOR EACH STATEMENT EXECUTE FUNCTION suite.wake_publishers();
"""

# PostgreSQL asks for UPDATE of a column of whoever locks rows; the policy lets nobody really change one.
GRANTS = """
REVOKE ALL ON FUNCTION suite.announce(text, text, text[]), suite.wake_publishers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION suite.announce(text, text, text[]) TO suite_app;
GRANT INSERT (server, tenant, uri), SELECT, UPDATE (id), DELETE ON suite.announcements TO suite_app;
"""


def upgrade() -> None:
    for script in (TABLES, POLICIES, FUNCTIONS, GRANTS):
        run_script(script)


def downgrade() -> None:
    op.execute("DROP TABLE suite.announcements")
    for name in ("announce(text, text, text[])", "wake_publishers()"):
        op.execute(f"DROP FUNCTION suite.{name}")
