"""Where mails stand: one, a list, as a resource; and stopping one that waits."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from servers.mail import queries
from servers.mail.answers import (
    Attempt,
    Cancelled,
    Delivery,
    Finding,
    MailOrDraft,
    Mails,
    MailSummary,
    Status,
    WholeMail,
)
from servers.mail.arguments import CancelEmail, ListEmails, OneMail, ReadMail
from servers.mail.delivering import reading
from servers.mail.delivering.queueing import cancel
from servers.mail.drafting import draft
from servers.mail.models import AttachedFile
from servers.mail.tools import tools
from shared.core.errors import Conflict, NotFound
from shared.core.tool import Call, Label, Queries, Risk

Row = Mapping[str, Any]

_AFTER_ALL = (datetime(9999, 1, 1, tzinfo=UTC).isoformat(), "")
MEANINGS = {
    "queued": "It waits for its turn. cancel_email stops it.",
    "sending": "It is being handed to the relay now.",
    "retrying": "The relay did not take it yet, for all or for some; it goes again at next_attempt_at.",
    "unknown": "The connection was lost when it may have been taken; it is repeated with the same Message-ID, or waits "
    "for an administrator if there is no next_attempt_at. Do not send it again.",
    "sent": "The relay took it; `recipients` says for whom.",
    "failed": "The relay refused it for good; `recipients` says why. Correct what is wrong and send another.",
    "dead": "It was given up after too many attempts; an administrator can let it go again. Do not send it again.",
    "cancelled": "It does not go.",
}
"""What each state means to whoever sent it."""


@tools.read("mail:read", polls=True)
async def get_email_status(call: Call, query: OneMail) -> Status:
    """Read where a mail stands: for each recipient, with the attempts so far, and what the state means. While the relay
    is down, `relay` says so: mails then wait and go out by themselves; do not send them again.
    """
    return await status_of(call.database, await _mail(call.database, query.mail_id))


@tools.read("mail:read")
async def list_emails(call: Call, query: ListEmails) -> Mails:
    """List mails, the newest first: all of your organisation, those in one state, of one bulk, or your own. For one use
    get_email_status, or read mail://{id} for what it says.
    """
    wanted = {name: value for name in ("state", "job_id") if (value := getattr(query, name)) is not None}
    if query.mine:
        wanted["created_by"] = call.caller.subject
    at, before_id = call.cursors.open(query.cursor, query) if query.cursor else _AFTER_ALL
    rows = await call.database.rows(
        queries.mails_before(frozenset(wanted)),
        **wanted,
        before_at=datetime.fromisoformat(at),
        before_id=before_id,
        limit=query.limit + 1,
    )
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    position = [shown[-1]["created_at"].isoformat(), shown[-1]["id"]] if more else []
    return Mails(
        mails=[summary(row) for row in shown],
        next_cursor=call.cursors.seal(position, query) if more else None,
        relay=await reading.relay_waits(call.database),
    )


@tools.resource("mail://{id}", "mail:read", watchable=True)
async def read_mail(call: Call, query: ReadMail) -> MailOrDraft:
    """A mail (M-…) exactly as it went, with where it stands; or a draft (D-…)."""
    if query.id.startswith("D"):
        row = await call.database.row(queries.DRAFT, id=query.id)
        if row is None:
            raise NotFound(f"There is no draft {query.id}. draft_email makes one.")
        return MailOrDraft(draft=draft(row))
    row = await _mail(call.database, query.id)
    if row["confidential"]:
        call.label(Label.CONFIDENTIAL)
    return MailOrDraft(
        mail=WholeMail(
            summary=summary(row),
            text=row["text"],
            html=row["html"],
            attachments=[AttachedFile.model_validate(one) for one in row["attachments"]],
            findings=[Finding.model_validate(one) for one in row["findings"]],
            status=await status_of(call.database, row),
        )
    )


@tools.write("mail:send", risk=Risk.LOW)
async def cancel_email(call: Call, query: CancelEmail) -> Cancelled:
    """Stop a mail that has not gone yet; a draft it was can be changed and sent again. Once the relay has it nothing
    takes it back: you get a conflict that says where it stands.
    """
    state = await cancel(call.transaction, query.mail_id)
    if state is None:
        raise _no_mail(query.mail_id)
    if state != "cancelled":
        raise Conflict(f"{query.mail_id} cannot be stopped any more: it is {state}. {MEANINGS[state]}", state=state)
    freed = await call.transaction.row(queries.FREE_DRAFT, of_mail=query.mail_id)
    call.changed(f"mail://{query.mail_id}")
    return Cancelled(id=query.mail_id, state=state, draft_id=freed["id"] if freed else None)


async def status_of(reads: Queries, row: Row) -> Status:
    """Where the mail of this row stands."""
    recipients = await reading.recipients_of(reads, [row["id"]])
    attempts = await reading.attempts_of(reads, row["id"])
    waits = row["state"] in {"queued", "retrying", "unknown", "sending"}
    return Status(
        id=row["id"],
        state=row["state"],
        meaning=MEANINGS[row["state"]],
        next_attempt_at=row["next_attempt_at"],
        sent_at=row["sent_at"],
        recipients=_deliveries(recipients),
        attempts=[
            Attempt(
                number=one["attempt"], **{name: one[name] for name in ("started_at", "ended_at", "outcome", "code")}
            )
            for one in attempts
        ],
        relay=await reading.relay_waits(reads) if waits else None,
    )


def _deliveries(rows: Sequence[Row]) -> list[Delivery]:
    return [
        Delivery(
            **{name: row[name] for name in ("kind", "address", "name", "customer_id", "state")},
            code=row["last_code"],
            said=row["last_text"],
            at=row["updated_at"],
        )
        for row in rows
    ]


def summary(row: Row) -> MailSummary:
    return MailSummary.model_validate({name: row[name] for name in MailSummary.model_fields})


async def _mail(reads: Queries, mail_id: str) -> Row:
    row = await reading.mail_of(reads, mail_id)
    if row is None:
        raise _no_mail(mail_id)
    return row


def _no_mail(mail_id: str) -> NotFound:
    return NotFound(f"There is no mail {mail_id}. Find it with list_emails.")
