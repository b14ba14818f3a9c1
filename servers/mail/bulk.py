"""Mail to many: asked for by a call, which looks up and checks everything; sent part by part (`bulk_sending.py`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import anyio.to_thread

from servers.mail import queries
from servers.mail.answers import BulkJob, BulkLine, BulkPart, Composed
from servers.mail.arguments import OnePart, SendBulk
from servers.mail.composing import findings_shown, outgoing, requester_of, require_safe, sender_shown
from servers.mail.delivering.queueing import cancel_of_job
from servers.mail.house import House, house_of
from servers.mail.ids import new_id
from servers.mail.models import BULK
from servers.mail.recipients import Person, people_of, suppressed
from servers.mail.safety.composing import Built, compose
from servers.mail.safety.rules import covers
from servers.mail.senders import Sender, sender_of
from servers.mail.sending import require_inside
from servers.mail.templating.finding import template_of
from servers.mail.templating.template import Rendered, Template
from servers.mail.templating.variables import Given
from servers.mail.tools import ELSEWHERE, RELAY, tools
from shared.core.errors import Conflict, Invalid
from shared.core.jobs import CancelJob, Job, OneJob
from shared.core.tool import Call, Risk

PARTS = "mail-bulk://{job_id}/{part}"
PART_MAILS = 100
_PROBLEMS_TOLD = 10
_SKIPPED_SHOWN = 100

Pairs = Sequence[tuple[Person, Mapping[str, Given]]]
"""Everybody, with the values of their mail."""


@tools.write(
    "mail:send",
    BULK,
    risk=Risk.HIGH,
    inverse="cancel_job",
    open_world=True,
    uses=RELAY,
    elsewhere=ELSEWHERE,
    deferrable=True,
    deadline_s=60,
)
async def send_bulk_email(call: Call, query: SendBulk) -> BulkJob:
    """Send a template to up to 10,000 recipients, one mail each: with values of their own, or to customers by id.
    `count` is how many you give. Try it with dry_run: it checks all of them and shows the first mail. Begins a job:
    get_job tells how far it is, then names who got which mail; cancel_job stops it and takes back what still waits.
    More than 50 need a confirmation, more than 1,000 an approval.
    """
    if query.count != len(query.all):
        raise Conflict(
            f"{len(query.all)} recipients are given, and not {query.count}: policy judges by `count`. Look whether you "
            "mean them all, then repeat it with the right count.",
            count=len(query.all),
        )
    sender = await sender_of(call.transaction, query.sender)
    if sender.unsubscribe_url is None and not query.inside:
        raise Invalid(f"The sender {sender.name} has no way to unsubscribe; take one with bulk (list_senders).")
    template = await template_of(call.transaction, query.template)
    call.based_on("sender", sender.name, sender.version)
    call.based_on("template", template.name, template.version)
    house = await house_of(call.transaction)
    people = await people_of(call, {"to": [one.to for one in query.all]})
    if len(people) != query.count:
        raise Invalid("Several of the recipients have the same address; each gets one mail. Leave the others out.")
    skipping = await suppressed(call.transaction, people)
    pairs = [
        (person, {**query.variables, **one.variables})
        for person, one in zip(people, query.all, strict=True)
        if person.address.key not in skipping
    ]
    outside = _require(house, sender, pairs, query)
    first = await _first(template, sender, house, pairs)
    job = await _begin(call, query, sender, template, pairs)
    skipped = [one.skipped(skipping[one.address.key]) for one in people if one.address.key in skipping]
    return BulkJob(**job.model_dump(), count=len(pairs), outside=outside, skipped=skipped[:_SKIPPED_SHOWN], first=first)


def _require(house: House, sender: Sender, pairs: Pairs, query: SendBulk) -> bool:
    """Whether somebody outside is among them.

    Raises:
        Failure: Nobody is left, or somebody may not be written to.
    """
    if not pairs:
        raise Conflict("Nobody is left to send it to: all recipients are on the suppression list.")
    domains = {person.address.domain for person, _ in pairs}
    sender.require(domains)
    rules = house.rules
    refused = {domain for domain in domains if covers(rules.denied_domains, domain)}
    refused |= {domain for domain in domains if rules.allowed_domains and not covers(rules.allowed_domains, domain)}
    if refused:
        raise Invalid(
            f"Mail to {', '.join(sorted(refused)[:5])} is not allowed here. Leave those recipients out.",
            domains=sorted(refused)[:20],
        )
    outside = not all(house.inside(domain) for domain in domains)
    require_inside(inside=query.inside, outside=outside)
    return outside


async def _first(template: Template, sender: Sender, house: House, pairs: Pairs) -> Composed:
    """The first mail, once each of them was seen to be possible."""
    await anyio.to_thread.run_sync(_require_values, template, pairs)
    person, values = pairs[0]
    built = await anyio.to_thread.run_sync(built_for, new_id("M"), template, sender, house, person, values)
    require_safe(built.findings, [person])
    return Composed(
        sender=sender_shown(sender),
        to=[person.shown],
        cc=[],
        bcc=[],
        skipped=[],
        subject=built.subject,
        text=built.text,
        html=built.html,
        attachments=[],
        findings=findings_shown(built.findings),
        outside=not house.inside(person.address.domain),
        confidential=False,
    )


def _require_values(template: Template, pairs: Pairs) -> None:
    problems: list[str] = []
    for place, (person, values) in enumerate(pairs, start=1):
        try:
            template.render(values, name=person.name)
        except Invalid as problem:
            problems.append(f"Recipient {person.customer_id or place}: {problem.message}")
            if len(problems) == _PROBLEMS_TOLD:
                break
    if problems:
        raise Invalid(" ".join(problems))


def built_for(
    mail_id: str, template: Template, sender: Sender, house: House, person: Person, values: Mapping[str, Given]
) -> Built:
    """The mail of one recipient."""
    made: Rendered = template.render(values, name=person.name)
    words = {"subject": made.subject, "text": made.text, "html": made.html}
    return compose(outgoing(mail_id, sender, [person], words, bulk=True), house.rules)


async def _begin(call: Call, query: SendBulk, sender: Sender, template: Template, pairs: Pairs) -> Job:
    """The job, and with it everything it needs as it is now."""
    job = await call.jobs.begin(query)
    await call.transaction.rows(
        queries.NEW_BULK,
        new_job_id=job.job_id,
        new_sender=sender.model_dump(),
        new_template=template.model_dump(mode="json"),
        new_requester={**requester_of(call), "request_id": call.request_id},
    )
    rows = [
        {
            "place": place,
            "mail_id": new_id("M"),
            "address": person.address.mailbox,
            "customer_id": person.customer_id,
            "name": person.name,
            "variables": {**values},
        }
        for place, (person, values) in enumerate(pairs, start=1)
    ]
    await call.transaction.rows(queries.NEW_BULK_RECIPIENTS, job_id=job.job_id, rows=rows)
    return job


@tools.read(BULK, polls=True, deadline_s=30)
async def get_job(call: Call, query: OneJob) -> Job:
    """Read how far a bulk of yours is; once it is done, the resources that name who got which mail. With wait_s it
    answers when it has ended, or then. Done means that all mails are queued: get_email_status follows each.
    """
    return await call.jobs.find(query.job_id, wait_s=query.wait_s)


@tools.write(BULK, risk=Risk.LOW)
async def cancel_job(call: Call, query: CancelJob) -> Job:
    """Stop a bulk of yours: no more mails are queued, and those that still wait do not go. Those that went are not
    taken back; list_emails with the job_id shows them.
    """
    job = await call.jobs.cancel(query.job_id)
    await cancel_of_job(call.transaction, query.job_id)
    return job


@tools.resource(PARTS, BULK)
async def read_bulk_part(call: Call, query: OnePart) -> BulkPart:
    """One part of a bulk of yours that is done: 100 recipients and the mail each got."""
    part = await call.jobs.part(query.job_id, int(query.part))
    rows: Sequence[Any] = part.rows
    return BulkPart(
        job_id=query.job_id,
        part=part.number,
        parts=part.parts,
        recipients=[BulkLine.model_validate(row) for row in rows],
    )
