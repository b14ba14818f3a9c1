"""The tables as SQLAlchemy Core sees them; `migrations/` makes them.

No table has its `tenant_id` here: row-level security filters by it and fills it in, and by the caller's rights.
"""

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, String, Table
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

_metadata = MetaData(schema="documents")

documents = Table(
    "documents",
    _metadata,
    Column("id", String, primary_key=True),
    Column("collection", String),
    Column("path", String),
    Column("stem", String),
    Column("title", String),
    Column("summary", String),
    Column("media_type", String),
    Column("size", BigInteger),
    Column("digest", String),
    Column("labels", ARRAY(String)),
    Column("classification", String),
    Column("readers", ARRAY(String)),
    Column("version", Integer),
    Column("archived_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
    Column("updated_by", String),
    Column("words", TSVECTOR),
    Column("title_words", TSVECTOR),
)

versions = Table(
    "versions",
    _metadata,
    Column("document_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("title", String),
    Column("summary", String),
    Column("media_type", String),
    Column("size", BigInteger),
    Column("digest", String),
    Column("labels", ARRAY(String)),
    Column("classification", String),
    Column("content", LargeBinary),
    Column("text", String),
    Column("characters", Integer),
    Column("outline", JSONB),
    Column("found", ARRAY(String)),
    Column("written_at", DateTime(timezone=True)),
    Column("written_by", String),
)

sections = Table(
    "sections",
    _metadata,
    Column("document_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("level", Integer),
    Column("heading", String),
    Column("anchor", String),
    Column("start", Integer),
    Column("stop", Integer),
    Column("plain", String),
    Column("words", TSVECTOR),
)

links = Table(
    "links",
    _metadata,
    Column("document_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("collection", String),
    Column("stem", String),
)
