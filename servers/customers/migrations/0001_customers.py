"""Tenants, customers with their search terms, orders with lines: every row behind forced row-level security."""

from alembic import op

revision = "0001"
down_revision = None

# Text that is looked up is COLLATE "C": bytes compare fast, the same on every machine, and leakproof, so that
# an index on it is used under row-level security, also for prefixes.
# A row says which tenant it belongs to by itself; no statement has to, and none can say otherwise.
TENANT_ID = """text COLLATE "C" NOT NULL DEFAULT current_setting('app.tenant', true) CHECK (tenant_id <> '')"""

TABLES = (
    """
    CREATE TABLE customers.tenants (
        id text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
        name text NOT NULL
    )
    """,
    # E-mail is not unique on purpose: people share addresses, and a refused duplicate would tell a caller
    # without customers:pii whose address it is.
    f"""
    CREATE TABLE customers.customers (
        tenant_id {TENANT_ID},
        id text COLLATE "C" NOT NULL,
        name text NOT NULL,
        company text,
        email text,
        phone text,
        street text,
        postal_code text,
        city text,
        country text NOT NULL CHECK (country ~ '^[A-Z][A-Z]$'),
        locale text NOT NULL,
        status text NOT NULL CHECK (status IN ('prospect', 'active', 'inactive', 'archived')),
        segment text NOT NULL CHECK (segment IN ('enterprise', 'mid_market', 'small_business', 'consumer')),
        tags text[] NOT NULL DEFAULT '{{}}',
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id)
    )
    """,
    # One row for each word a customer can be found by; written together with the customer (search.py).
    # It carries no foreign key: it is an index that happens to be a table.
    f"""
    CREATE TABLE customers.search_terms (
        tenant_id {TENANT_ID},
        customer_id text COLLATE "C" NOT NULL,
        term text COLLATE "C" NOT NULL,
        name text COLLATE "C" NOT NULL,
        status text COLLATE "C" NOT NULL,
        segment text COLLATE "C" NOT NULL,
        country text COLLATE "C" NOT NULL,
        PRIMARY KEY (tenant_id, customer_id, term)
    )
    """,
    f"""
    CREATE TABLE customers.orders (
        tenant_id {TENANT_ID},
        id text COLLATE "C" NOT NULL,
        customer_id text COLLATE "C" NOT NULL,
        status text COLLATE "C" NOT NULL
            CHECK (status IN ('pending', 'paid', 'shipped', 'delivered', 'cancelled', 'refunded')),
        ordered_at timestamptz NOT NULL,
        currency text NOT NULL CHECK (currency ~ '^[A-Z]{{3}}$'),
        total numeric(14, 2) NOT NULL,
        line_count integer NOT NULL,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, customer_id) REFERENCES customers.customers (tenant_id, id)
    )
    """,
    f"""
    CREATE TABLE customers.order_lines (
        tenant_id {TENANT_ID},
        order_id text COLLATE "C" NOT NULL,
        line integer NOT NULL CHECK (line > 0),
        sku text NOT NULL,
        description text NOT NULL,
        quantity integer NOT NULL CHECK (quantity > 0),
        unit_price numeric(14, 2) NOT NULL,
        PRIMARY KEY (tenant_id, order_id, line),
        FOREIGN KEY (tenant_id, order_id) REFERENCES customers.orders (tenant_id, id)
    )
    """,
)

# The order of each index is the order of an answer, so a page is read by walking it and stopping. What a
# caller may filter by stands at the end: it is compared inside the index, and no row is fetched in vain.
INDEXES = (
    """
    CREATE INDEX search_walk ON customers.search_terms
        (tenant_id, term, name, customer_id, status, segment, country)
    """,
    "CREATE INDEX orders_walk ON customers.orders (tenant_id, customer_id, ordered_at, id, status)",
)

GRANTS = (
    "GRANT USAGE ON SCHEMA customers TO suite_app",
    "GRANT SELECT ON customers.tenants, customers.orders, customers.order_lines TO suite_app",
    "GRANT SELECT, INSERT, UPDATE ON customers.customers TO suite_app",
    "GRANT SELECT, INSERT, DELETE ON customers.search_terms TO suite_app",
)

TENANT_KEYS = {
    "tenants": "id",
    "customers": "tenant_id",
    "search_terms": "tenant_id",
    "orders": "tenant_id",
    "order_lines": "tenant_id",
}
# As a subquery the tenant is unknown to the planner, which then estimates for an average one. The bare setting
# is looked up while planning, when it is still empty, and every estimate becomes one row.
POLICY = "CREATE POLICY tenant ON customers.{table} USING ({key} = (SELECT current_setting('app.tenant', true)))"


def upgrade() -> None:
    for statement in (*TABLES, *INDEXES, *GRANTS):
        op.execute(statement)
    for table, key in TENANT_KEYS.items():
        op.execute(f"ALTER TABLE customers.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(POLICY.format(table=table, key=key))


def downgrade() -> None:
    for table in reversed(TENANT_KEYS):
        op.execute(f"DROP TABLE customers.{table}")
