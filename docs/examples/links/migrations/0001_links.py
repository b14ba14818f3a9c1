from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE links.links (
            tenant_id text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> ''),
            name text COLLATE "C" NOT NULL,
            url text NOT NULL,
            title text COLLATE "C" NOT NULL,
            saved_by text NOT NULL,
            PRIMARY KEY (tenant_id, name)
        )
        """
    )
    op.execute("CREATE INDEX by_title ON links.links (tenant_id, title)")
    op.execute("ALTER TABLE links.links ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY tenant ON links.links USING (tenant_id = (SELECT current_setting('app.tenant', true)))")
    op.execute("GRANT USAGE ON SCHEMA links TO suite_app")
    op.execute("GRANT SELECT, INSERT ON links.links TO suite_app")


def downgrade() -> None:
    op.execute("DROP TABLE links.links")
