"""Whoever is named as a reader in a collection: a run that keeps it in step with a folder counts as each of them."""

from alembic import op

from shared.state.migrate import run_script

revision = "0002"
down_revision = "0001"

# As the role that sees all rows, and asks for the tenant itself. It tells names of readers, and nothing of documents.
EVERY_READER = """
CREATE FUNCTION documents.every_reader(within text) RETURNS TABLE (reader text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT unnest(d.readers) FROM documents.documents AS d
    WHERE d.tenant_id = current_setting('app.tenant', true) AND d.collection = within
$$
"""

STATEMENTS = (
    EVERY_READER,
    "REVOKE ALL ON FUNCTION documents.every_reader FROM PUBLIC",
    "GRANT CREATE ON SCHEMA documents TO suite_search",
    "ALTER FUNCTION documents.every_reader OWNER TO suite_search",
    "REVOKE CREATE ON SCHEMA documents FROM suite_search",
    "GRANT EXECUTE ON FUNCTION documents.every_reader TO suite_app",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        run_script(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION documents.every_reader")
