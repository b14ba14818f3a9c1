"""Notes, what can be undone, and merged customers."""

from alembic import op

revision = "0002"
down_revision = "0001"

TENANT_ID = """text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> '')"""

# NOT VALID spares the upgrade a walk over all customers, whose new columns are all null; new rows are checked.
COLUMNS = (
    'ALTER TABLE customers.customers ADD COLUMN merged_into text COLLATE "C", ADD COLUMN archived_from text',
    """
    ALTER TABLE customers.customers
        ADD CONSTRAINT archived_from_known CHECK (archived_from IN ('prospect', 'active', 'inactive')) NOT VALID,
        ADD CONSTRAINT merged_is_archived CHECK (merged_into IS NULL OR status = 'archived') NOT VALID,
        ADD CONSTRAINT merged_into_another CHECK (merged_into <> id) NOT VALID,
        ADD CONSTRAINT merged_into_somebody FOREIGN KEY (tenant_id, merged_into)
            REFERENCES customers.customers (tenant_id, id) NOT VALID
    """,
)

TABLES = (
    f"""
    CREATE TABLE customers.notes (
        tenant_id {TENANT_ID},
        id text COLLATE "C" NOT NULL,
        customer_id text COLLATE "C" NOT NULL,
        text text NOT NULL CHECK (text <> ''),
        author text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, customer_id) REFERENCES customers.customers (tenant_id, id)
    )
    """,
    # `before` and `after` are {customer id: {field: value}} of the fields a change touched; `moved` and
    # `note_id` name the rows that went along.
    f"""
    CREATE TABLE customers.changes (
        tenant_id {TENANT_ID},
        id text COLLATE "C" NOT NULL,
        kind text NOT NULL CHECK (kind IN ('update', 'note', 'merge')),
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        moved jsonb,
        note_id text COLLATE "C",
        personal boolean NOT NULL,
        undone_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL DEFAULT now() + interval '24 hours',
        PRIMARY KEY (tenant_id, id)
    )
    """,
)

INDEXES = (
    "CREATE INDEX notes_walk ON customers.notes (tenant_id, customer_id, created_at, id)",
    "CREATE INDEX changes_expiry ON customers.changes (tenant_id, expires_at)",
)

GRANTS = (
    "GRANT UPDATE (customer_id) ON customers.orders TO suite_app",
    "GRANT SELECT, INSERT, UPDATE (customer_id), DELETE ON customers.notes TO suite_app",
    "GRANT SELECT, INSERT, UPDATE (undone_at), DELETE ON customers.changes TO suite_app",
)

GUARDED = ("notes", "changes")
POLICY = "CREATE POLICY tenant ON customers.{table} USING (tenant_id = (SELECT current_setting('app.tenant', true)))"


def upgrade() -> None:
    for statement in (*COLUMNS, *TABLES, *INDEXES, *GRANTS):
        op.execute(statement)
    for table in GUARDED:
        op.execute(f"ALTER TABLE customers.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(POLICY.format(table=table))


def downgrade() -> None:
    for table in ("changes", "notes"):
        op.execute(f"DROP TABLE customers.{table}")
    op.execute("REVOKE UPDATE (customer_id) ON customers.orders FROM suite_app")
    op.execute("ALTER TABLE customers.customers DROP COLUMN merged_into, DROP COLUMN archived_from")
