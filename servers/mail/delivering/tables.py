"""The tables of the outbox, as `migrations/0002_outbox.py` makes them."""

from sqlalchemy import Boolean, Column, DateTime, Integer, LargeBinary, MetaData, String, Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="mail")

_moment = DateTime(timezone=True)

mails = Table(
    "mails",
    metadata,
    *(Column(name, String) for name in ("tenant_id", "id", "message_id", "sender", "envelope_from", "subject")),
    *(Column(name, String) for name in ("text", "html", "created_by", "issuer", "client", "approval_id")),
    *(Column(name, String) for name in ("request_id", "draft_id", "template", "job_id", "state", "reason")),
    *(Column(name, Integer) for name in ("draft_version", "template_version", "attempts", "unknowns", "last_code")),
    *(Column(name, _moment) for name in ("created_at", "updated_at", "next_attempt_at", "sent_at", "emptied_at")),
    *(Column(name, Boolean) for name in ("smtputf8", "confidential")),
    *(Column(name, JSONB) for name in ("attachments", "findings")),
    Column("mime", LargeBinary),
    Column("last_text", String),
    Column("actors", ARRAY(String)),
)

recipients = Table(
    "recipients",
    metadata,
    *(Column(name, String) for name in ("tenant_id", "mail_id", "kind", "address", "name", "customer_id", "domain")),
    *(Column(name, String) for name in ("state", "last_text")),
    *(Column(name, Integer) for name in ("n", "last_code")),
    Column("updated_at", _moment),
)

attempts = Table(
    "attempts",
    metadata,
    *(Column(name, String) for name in ("tenant_id", "mail_id", "worker", "outcome", "text")),
    *(Column(name, Integer) for name in ("attempt", "code", "accepted", "refused")),
    *(Column(name, _moment) for name in ("started_at", "ended_at")),
)

relay = Table("relay", metadata, Column("silent_since", _moment), Column("trouble", String))
