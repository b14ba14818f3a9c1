"""Things and what was done to them: each effect is a row, so that one done twice shows."""

from alembic import op

revision = "0001"
down_revision = None

TENANT_ID = """text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> '')"""
STATEMENTS = (
    (
        f"CREATE TABLE drill.things (tenant_id {TENANT_ID}, id text NOT NULL, value text NOT NULL, "
        "PRIMARY KEY (tenant_id, id))"
    ),
    (
        f"CREATE TABLE drill.effects (tenant_id {TENANT_ID}, number bigint GENERATED ALWAYS AS IDENTITY, "
        "thing text NOT NULL, value text NOT NULL)"
    ),
    "GRANT USAGE ON SCHEMA drill TO suite_app",
    "GRANT SELECT, INSERT, UPDATE ON drill.things TO suite_app",
    "GRANT SELECT, INSERT ON drill.effects TO suite_app",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for table in ("things", "effects"):
        op.execute(f"ALTER TABLE drill.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON drill.{table} USING (tenant_id = (SELECT current_setting('app.tenant', true)))"
        )


def downgrade() -> None:
    op.execute("DROP TABLE drill.effects, drill.things")
