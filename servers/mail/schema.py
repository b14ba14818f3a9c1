"""The tables as SQLAlchemy Core sees them; `migrations/` makes them, and those of delivery are in `delivering/`.

No table has its `tenant_id` here: row-level security filters by it and fills it in, so that no statement can forget it
or set it.
"""

from sqlalchemy import ARRAY, Column, DateTime, Integer, MetaData, String, Table
from sqlalchemy.dialects.postgresql import JSONB

_metadata = MetaData(schema="mail")

senders = Table(
    "senders",
    _metadata,
    Column("name", String, primary_key=True),
    Column("address", String),
    Column("display_name", String),
    Column("reply_to", String),
    Column("domains", ARRAY(String)),
    Column("unsubscribe_url", String),
    Column("version", Integer),
)

templates = Table(
    "templates",
    _metadata,
    Column("name", String, primary_key=True),
    Column("version", Integer),
    Column("title", String),
    Column("description", String),
    Column("subject", String),
    Column("text", String),
    Column("html", String),
    Column("variables", JSONB),
    Column("created_by", String),
    Column("updated_at", DateTime(timezone=True)),
)

suppressions = Table(
    "suppressions",
    _metadata,
    Column("address", String, primary_key=True),
    Column("reason", String),
    Column("mail_id", String),
    Column("code", Integer),
    Column("said", String),
    Column("created_at", DateTime(timezone=True)),
)

domain_rules = Table(
    "domain_rules",
    _metadata,
    Column("domain", String, primary_key=True),
    Column("verdict", String),
)

drafts = Table(
    "drafts",
    _metadata,
    Column("id", String, primary_key=True),
    Column("version", Integer),
    Column("sender", String),
    Column("to", ARRAY(String)),
    Column("cc", ARRAY(String)),
    Column("bcc", ARRAY(String)),
    Column("subject", String),
    Column("text", String),
    Column("html", String),
    Column("template", String),
    Column("variables", JSONB),
    Column("attachments", ARRAY(String)),
    Column("mail_id", String),
    Column("created_by", String),
    Column("by_actor", String),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

bulks = Table(
    "bulks",
    _metadata,
    Column("job_id", String, primary_key=True),
    Column("sender", JSONB),
    Column("template", JSONB),
    Column("requester", JSONB),
    Column("created_at", DateTime(timezone=True)),
)

bulk_recipients = Table(
    "bulk_recipients",
    _metadata,
    Column("job_id", String, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("mail_id", String),
    Column("address", String),
    Column("customer_id", String),
    Column("name", String),
    Column("variables", JSONB),
)
