"""Mails into the outbox, in the transaction of the call that sends them, and out of it while they have not gone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import text

from servers.mail.delivering.states import WAITING, State
from shared.core.call import Queries
from shared.state.database import Statement

__all__ = ["NewMail", "NewRecipient", "State", "cancel", "cancel_of_job", "enqueue", "message_id"]

_WAITING = ", ".join(f"'{state}'" for state in WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecipient:
    """Somebody who gets it; `address` without a name."""

    kind: Literal["to", "cc", "bcc"]
    address: str
    name: str | None = None
    customer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMail:
    """A mail as it will go: nothing of it is looked up, made or changed later.

    Attributes:
        message_id: Of `message_id`; every attempt carries it, so that a receiver may tell a repetition.
        sender: The name of the sender's identity.
        envelope_from: Whom the relay tells of what cannot be delivered; an address without a name.
        recipients: Each address once.
        created_by: The subject of the caller; `issuer`, `client` and `actors` are theirs as well.
        request_id: Of the call.
        smtputf8: Its header or an address is more than ASCII (RFC 6531).
        not_before: It waits until then; None is at once.
    """

    id: str
    message_id: str
    sender: str
    envelope_from: str
    recipients: Sequence[NewRecipient]
    mime: bytes
    subject: str
    text: str
    html: str | None = None
    attachments: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Mapping[str, Any]] = ()
    created_by: str
    issuer: str
    client: str
    actors: Sequence[str] = ()
    approval_id: str | None = None
    request_id: str = ""
    draft_id: str | None = None
    draft_version: int | None = None
    template: str | None = None
    template_version: int | None = None
    job_id: str | None = None
    confidential: bool = False
    smtputf8: bool = False
    not_before: datetime | None = None


_TYPES = {
    **dict.fromkeys(("draft_version", "template_version"), "integer"),
    **dict.fromkeys(("confidential", "smtputf8"), "boolean"),
    "mime": "bytea",
}
_JSON = ("attachments", "findings", "actors")
_PLAIN = tuple(name for name in NewMail.__slots__ if name not in {"recipients", "not_before", *_JSON})


def _arrays(names: Sequence[str]) -> str:
    return ", ".join(f"CAST(:{name} AS {_TYPES.get(name, 'text')}[])" for name in names)


_MAILS = Statement(
    text(f"""
    INSERT INTO mail.mails ({", ".join(_PLAIN)}, attachments, findings, actors, next_attempt_at)
    SELECT {", ".join(f"given.{name}" for name in _PLAIN)},
        CAST(given.attachments AS jsonb), CAST(given.findings AS jsonb),
        ARRAY(SELECT jsonb_array_elements_text(CAST(given.actors AS jsonb))), coalesce(given.not_before, now())
    FROM unnest({_arrays((*_PLAIN, *_JSON))}, CAST(:not_before AS timestamptz[]))
        AS given ({", ".join((*_PLAIN, *_JSON))}, not_before)
    """)  # noqa: S608 - names of ours
)
_RECIPIENTS = Statement(
    text("""
    INSERT INTO mail.recipients (mail_id, n, kind, address, name, customer_id, domain)
    SELECT * FROM unnest(CAST(:mail_id AS text[]), CAST(:n AS integer[]), CAST(:kind AS text[]),
        CAST(:address AS text[]), CAST(:name AS text[]), CAST(:customer_id AS text[]), CAST(:domain AS text[]))
    """)
)
_EVENTS = Statement(
    text("""
    INSERT INTO mail.events (mail_id, kind) SELECT id, 'queued' FROM unnest(CAST(:ids AS text[])) AS id
    """)
)
_QUEUE = Statement(
    text("""
    INSERT INTO mail.queue (tenant_id, mail_id, domain, due_at, since)
    SELECT current_setting('app.tenant'), id, domain, coalesce(due_at, now()), coalesce(due_at, now())
    FROM unnest(CAST(:ids AS text[]), CAST(:domain AS text[]), CAST(:due_at AS timestamptz[]))
        AS given (id, domain, due_at)
    """)
)

_RETAIN = Statement(
    text("INSERT INTO mail.retention (tenant_id) VALUES (current_setting('app.tenant')) ON CONFLICT DO NOTHING")
)

# In the order in which a worker locks them: first the row of the queue, then the mail.
_AWAIT_WORKER = Statement(
    text("""
    SELECT mail_id FROM mail.queue
    WHERE tenant_id = current_setting('app.tenant') AND mail_id = ANY(CAST(:ids AS text[])) ORDER BY mail_id FOR UPDATE
    """)
)
_CANCEL = Statement(
    text(f"""
    WITH cancelled AS (
        UPDATE mail.mails SET state = 'cancelled', next_attempt_at = NULL, updated_at = now()
        WHERE id = ANY(CAST(:ids AS text[])) AND state IN ({_WAITING}) RETURNING id, unknowns
    ), nobody AS (
        UPDATE mail.recipients SET state = 'cancelled', updated_at = now()
        WHERE mail_id IN (SELECT id FROM cancelled) AND state = 'waiting'
    ), noted AS (
        INSERT INTO mail.events (mail_id, kind, facts)
        SELECT id, 'cancelled', jsonb_build_object('may_have_been_sent', unknowns > 0) FROM cancelled
    ), taken_away AS (
        UPDATE mail.queue SET task = 'record', lease = NULL, due_at = now()
        WHERE tenant_id = current_setting('app.tenant') AND mail_id IN (SELECT id FROM cancelled)
    )
    SELECT id FROM cancelled
    """)  # noqa: S608 - states of ours
)
_STATE = Statement(text("SELECT state FROM mail.mails WHERE id = :id"))
# Kept for those that are being handed over just now: should the relay not take one, it does not go again.
_STOP = Statement(
    text("UPDATE mail.bulks SET cancelled_at = coalesce(cancelled_at, now()) WHERE job_id = :job_id RETURNING job_id")
)
_OF_JOB = Statement(text(f"SELECT id FROM mail.mails WHERE job_id = :job_id AND state IN ({_WAITING})"))  # noqa: S608 - states of ours


def message_id(mail_id: str, envelope_from: str) -> str:
    """The Message-ID of a mail (RFC 5322 §3.6.4): the same whenever it is made."""
    return f"<{mail_id.lower()}@{_domain(envelope_from)}>"


async def enqueue(transaction: Queries, mails: Sequence[NewMail]) -> None:
    """Put mails into the outbox: they go once the transaction is committed. Up to about 500 at a time."""
    if not mails:
        return
    new = {name: [getattr(mail, name) for mail in mails] for name in _PLAIN}
    # As text: asyncpg would take lists of lists for arrays of more dimensions.
    new |= {name: [orjson.dumps([*getattr(mail, name)]).decode() for mail in mails] for name in _JSON}
    later = [mail.not_before for mail in mails]
    await transaction.rows(_MAILS, **new, not_before=later)
    each = [(mail.id, n, one) for mail in mails for n, one in enumerate(mail.recipients, 1)]
    columns: dict[str, list[Any]] = {"mail_id": [mail for mail, _, _ in each], "n": [n for _, n, _ in each]}
    columns |= {name: [getattr(one, name) for *_, one in each] for name in NewRecipient.__slots__}
    await transaction.rows(_RECIPIENTS, **columns, domain=[_domain(one.address) for *_, one in each])
    await transaction.rows(_EVENTS, ids=new["id"])
    domains = [_domain(mail.recipients[0].address) for mail in mails]
    await transaction.rows(_QUEUE, ids=new["id"], domain=domains, due_at=later)
    await transaction.rows(_RETAIN)


async def cancel(transaction: Queries, mail_id: str) -> State | None:
    """Keep back what has not gone.

    Returns:
        The mail's state afterwards: `cancelled`, or the one in which it is too late; None if there is no such mail.
        One that was `unknown` may have gone all the same.
    """
    await _cancel(transaction, [mail_id])
    row = await transaction.row(_STATE, id=mail_id)
    return row["state"] if row else None


async def cancel_of_job(transaction: Queries, job_id: str) -> int:
    """Keep back what has not gone of the mails of a job; how many were. What is being handed over goes if the relay
    takes it, and not another time.
    """
    await transaction.rows(_STOP, job_id=job_id)
    waiting = await transaction.rows(_OF_JOB, job_id=job_id)
    return await _cancel(transaction, [row["id"] for row in waiting]) if waiting else 0


async def _cancel(transaction: Queries, ids: Sequence[str]) -> int:
    await transaction.rows(_AWAIT_WORKER, ids=ids)
    return len(await transaction.rows(_CANCEL, ids=ids))


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
