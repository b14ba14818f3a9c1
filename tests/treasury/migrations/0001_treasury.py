"""One account a tenant, with a version, and what was paid from it."""

from alembic import op

revision = "0001"
down_revision = None

TENANT_ID = """text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> '')"""
MINE = "(tenant_id = (SELECT current_setting('app.tenant', true)))"
ACCOUNTS = (
    f"CREATE TABLE treasury.accounts (tenant_id {TENANT_ID} PRIMARY KEY, version int NOT NULL, rate int NOT NULL)"
)
PAYMENTS = (
    f"CREATE TABLE treasury.payments (tenant_id {TENANT_ID}, payee text NOT NULL, amount int NOT NULL, "
    "note text NOT NULL, rate int NOT NULL)"
)
STATEMENTS = (
    ACCOUNTS,
    "INSERT INTO treasury.accounts VALUES ('acme', 1, 2), ('globex', 1, 2)",
    PAYMENTS,
    "GRANT USAGE ON SCHEMA treasury TO suite_app",
    "GRANT SELECT, UPDATE ON treasury.accounts TO suite_app",
    "GRANT SELECT, INSERT ON treasury.payments TO suite_app",
    *(f"ALTER TABLE treasury.{name} ENABLE ROW LEVEL SECURITY" for name in ("accounts", "payments")),
    *(f"CREATE POLICY tenant ON treasury.{name} TO suite_app USING {MINE}" for name in ("accounts", "payments")),
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for name in ("accounts", "payments"):
        op.execute(f"DROP TABLE treasury.{name}")
