"""Sending a bulk: a hundred mails at a time are queued in the transaction that notes how far it is.

So a worker that is killed has either queued a part and noted it, or neither; whoever goes on begins behind the last
part, and nobody gets two mails, or none. Each mail has had its id since the call, so not even a part that is made twice
could be queued twice.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio.to_thread

from servers.mail import queries
from servers.mail.answers import BulkLine
from servers.mail.arguments import SendBulk
from servers.mail.bulk import PART_MAILS, PARTS, built_for
from servers.mail.composing import new_mail
from servers.mail.delivering.queueing import NewMail, enqueue
from servers.mail.house import House, house_of
from servers.mail.recipients import Person, suppressed
from servers.mail.safety.addresses import Address, checked_address
from servers.mail.senders import Sender
from servers.mail.templating.template import Template
from servers.mail.tools import tools
from shared.core.errors import Invalid
from shared.core.tool import Queries
from shared.core.work import Working

Row = Mapping[str, Any]

_BLOCKED = "blocked"
"""Why a mail was not queued that safety refuses."""


@tools.work("send_bulk_email", parts=PARTS)
async def send_bulk(work: Working, query: SendBulk) -> None:
    """Queue every mail, in parts."""
    del query  # who it goes to and what it says was kept when it was asked for
    bulk = await work.reads.row(queries.BULK, job_id=work.job_id)
    [found] = await work.reads.rows(queries.BULK_COUNT, job_id=work.job_id)
    if bulk is None:
        raise Invalid("What was to be sent is not there any more. Begin it again.")
    if work.checkpoint is None:
        await work.expect(found["count"])
    house = await house_of(work.reads)
    after: int = work.checkpoint or 0
    while rows := await work.reads.rows(queries.BULK_PART, job_id=work.job_id, after=after, limit=PART_MAILS):
        people = [_person(row) for row in rows]
        stopped = await suppressed(work.reads, people)
        lines, mails = await anyio.to_thread.run_sync(_made, work.job_id, bulk, house, rows, people, stopped)
        after = rows[-1]["place"]
        await work.keep([line.model_dump(mode="json") for line in lines], after, also=_queueing(mails))


def _queueing(mails: Sequence[NewMail]) -> Callable[[Queries], Any]:
    return lambda transaction: enqueue(transaction, mails)


def _made(
    job_id: str, bulk: Row, house: House, rows: Sequence[Row], people: Sequence[Person], stopped: Mapping[str, str]
) -> tuple[list[BulkLine], list[NewMail]]:
    sender, template = Sender.model_validate(bulk["sender"]), Template.model_validate(bulk["template"], strict=False)
    lines: list[BulkLine] = []
    mails: list[NewMail] = []
    for row, person in zip(rows, people, strict=True):
        reason = stopped.get(person.address.key)
        built = built_for(row["mail_id"], template, sender, house, person, row["variables"]) if not reason else None
        if built and any(found.severity == "block" for found in built.findings):
            built, reason = None, _BLOCKED
        shown = person.shown.model_dump()
        lines.append(BulkLine(**shown, mail_id=row["mail_id"] if built else None, skipped=reason))
        if built:
            mails.append(new_mail(row["mail_id"], built, sender, [person], template, bulk["requester"], job_id=job_id))
    return lines, mails


def _person(row: Row) -> Person:
    bare = checked_address(row["address"])
    try:
        named = Address(bare.local, bare.domain, row["name"] or "")
    except Invalid:  # a name that no header may hold
        named = bare
    return Person(named, "to", row["customer_id"], row["name"])
