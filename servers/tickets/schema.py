"""The tables as SQLAlchemy Core sees them; `migrations/` makes them.

No table has its `tenant_id` here: row-level security filters by it and fills it in, so that no statement can forget it
or set it.
"""

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Integer, MetaData, String, Table
from sqlalchemy.dialects.postgresql import JSONB

_metadata = MetaData(schema="tickets")

queues = Table(
    "queues",
    _metadata,
    Column("name", String, primary_key=True),
    Column("title", String),
    Column("created_at", DateTime(timezone=True)),
)

tickets = Table(
    "tickets",
    _metadata,
    Column("id", String, primary_key=True),
    Column("type", String),
    Column("title", String),
    Column("body", String),
    Column("priority", String),
    Column("status", String),
    Column("queue", String),
    Column("assignee", String),
    Column("requester_name", String),
    Column("requester_email", String),
    Column("customer_id", String),
    Column("due_at", DateTime(timezone=True)),
    Column("labels", ARRAY(String)),
    Column("watchers", ARRAY(String)),
    Column("links", ARRAY(String)),
    Column("attachments", JSONB),
    Column("resolution", String),
    Column("resolved_at", DateTime(timezone=True)),
    Column("merged_into", String),
    Column("created_by", String),
    Column("version", Integer),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("marks", ARRAY(String)),
)

comments = Table(
    "comments",
    _metadata,
    Column("id", String, primary_key=True),
    Column("ticket_id", String),
    Column("text", String),
    Column("internal", Boolean),
    Column("author", String),
    Column("attachments", JSONB),
    Column("created_at", DateTime(timezone=True)),
)

history = Table(
    "history",
    _metadata,
    Column("ticket_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("act", String),
    Column("change_id", String),
    Column("by_subject", String),
    Column("by_actor", String),
    Column("at", DateTime(timezone=True)),
    Column("before", JSONB),
    Column("after", JSONB),
)

changes = Table(
    "changes",
    _metadata,
    Column("id", String, primary_key=True),
    Column("act", String),
    Column("needs", ARRAY(String)),
    Column("moved", ARRAY(String)),
    Column("comment_id", String),
    Column("undone_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True)),
)
