"""The tables as SQLAlchemy Core sees them; `migrations/` makes them.

No table has its `tenant_id` here: row-level security filters by it and fills it in, so that no statement can
forget it or set it.
"""

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Integer, MetaData, Numeric, String, Table
from sqlalchemy.dialects.postgresql import JSONB

_metadata = MetaData(schema="customers")

customers = Table(
    "customers",
    _metadata,
    Column("id", String, primary_key=True),
    Column("name", String),
    Column("company", String),
    Column("email", String),
    Column("phone", String),
    Column("street", String),
    Column("postal_code", String),
    Column("city", String),
    Column("country", String),
    Column("locale", String),
    Column("status", String),
    Column("segment", String),
    Column("tags", ARRAY(String)),
    Column("version", Integer),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("merged_into", String),
    Column("archived_from", String),
)

search_terms = Table(
    "search_terms",
    _metadata,
    Column("customer_id", String, primary_key=True),
    Column("term", String, primary_key=True),
    Column("name", String),
    Column("status", String),
    Column("segment", String),
    Column("country", String),
)

orders = Table(
    "orders",
    _metadata,
    Column("id", String, primary_key=True),
    Column("customer_id", String),
    Column("status", String),
    Column("ordered_at", DateTime(timezone=True)),
    Column("currency", String),
    Column("total", Numeric(14, 2)),
    Column("line_count", Integer),
)

order_lines = Table(
    "order_lines",
    _metadata,
    Column("order_id", String, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("sku", String),
    Column("description", String),
    Column("quantity", Integer),
    Column("unit_price", Numeric(14, 2)),
)

notes = Table(
    "notes",
    _metadata,
    Column("id", String, primary_key=True),
    Column("customer_id", String),
    Column("text", String),
    Column("author", String),
    Column("created_at", DateTime(timezone=True)),
)

changes = Table(
    "changes",
    _metadata,
    Column("id", String, primary_key=True),
    Column("kind", String),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("moved", JSONB),
    Column("note_id", String),
    Column("personal", Boolean),
    Column("undone_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
)
