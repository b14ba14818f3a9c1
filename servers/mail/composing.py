"""From what somebody wants to send to exactly what goes: rendered, resolved, read, sanitised, built."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import anyio.to_thread

from servers.mail import answers
from servers.mail.answers import FINDINGS_MAX, Composed
from servers.mail.attaching import File, files_of
from servers.mail.content import Content
from servers.mail.delivering.queueing import NewMail, NewRecipient, message_id
from servers.mail.house import House, house_of
from servers.mail.models import AttachedFile, From, Skipped
from servers.mail.recipients import Person, people_of, suppressed, unshown
from servers.mail.safety.composing import Built, Outgoing, compose
from servers.mail.safety.findings import WORST_FIRST, Finding
from servers.mail.senders import Sender, sender_of
from servers.mail.templating.finding import template_of
from servers.mail.templating.template import Template
from shared.core.errors import Conflict, Invalid
from shared.core.tool import Call


@dataclass(frozen=True)
class Whole:
    """A mail with all that it is made of.

    Attributes:
        people: Everybody it was meant for; nothing goes to those that are skipped.
    """

    mail_id: str
    built: Built
    sender: Sender
    people: Sequence[Person]
    skipped: Sequence[Skipped]
    files: Sequence[File]
    template: Template | None
    house: House
    content: Content

    @property
    def going(self) -> list[Person]:
        gone = {one.address for one in self.skipped}
        return [person for person in self.people if person.address.mailbox not in gone]

    @property
    def outside(self) -> bool:
        return not all(self.house.inside(person.address.domain) for person in self.going)

    @property
    def confidential(self) -> bool:
        return any(file.shown.confidential for file in self.files)

    def shown(self) -> dict[str, Any]:
        """The fields of `Composed`."""
        boxes = {place: [one.shown for one in self.going if one.place == place] for place in ("to", "cc", "bcc")}
        return {
            **boxes,
            "sender": sender_shown(self.sender),
            "skipped": [*self.skipped],
            "subject": self.built.subject,
            "text": self.built.text,
            "html": self.built.html,
            "attachments": self.attached,
            "findings": findings_shown(self.built.findings),
            "outside": self.outside,
            "confidential": self.confidential,
        }

    @property
    def attached(self) -> list[AttachedFile]:
        """The attachments, by the names under which they go; what may not go keeps its own, and stops the mail."""
        names = {each.digest: each.name for each in self.built.attachments}
        return [file.shown.model_copy(update={"name": names.get(file.shown.digest, file.name)}) for file in self.files]

    def require_sendable(self) -> None:
        """Nothing, if it may go as it is.

        Raises:
            Conflict: Nobody is left to send it to.
            Invalid: The sender may not write there, or safety refuses it.
        """
        if not self.going:
            raise Conflict(
                "Nobody is left to send it to: all recipients are on the suppression list (bounced, unsubscribed, "
                "complained). Ask them for another address by other means.",
                skipped=[{"customer_id": one.customer_id, "reason": one.reason} for one in self.skipped],
            )
        require_safe(self.built.findings, self.going)
        self.sender.require({person.address.domain for person in self.going})

    def mail(self, call: Call, **more: Any) -> NewMail:
        """As delivery takes it."""
        return new_mail(
            self.mail_id,
            self.built,
            self.sender,
            self.going,
            self.template,
            requester_of(call),
            attachments=[file.model_dump() for file in self.attached],
            draft_id=self.content.draft_id,
            draft_version=self.content.draft_version,
            confidential=self.confidential,
            request_id=call.request_id,
            approval_id=call.approval,
            **more,
        )


async def whole_of(call: Call, content: Content, mail_id: str) -> Whole:
    """The mail with everything looked up and built; what was looked up elsewhere is kept for an approval.

    Raises:
        Failure: Something in it is not there, or does not fit; nothing that is only unsafe.
    """
    reads = call.open_transaction or call.database
    sender = await sender_of(reads, content.sender)
    template = await template_of(reads, content.template) if content.template else None
    house = await house_of(reads)
    people = await people_of(call, {"to": content.to, "cc": content.cc, "bcc": content.bcc})
    files = await files_of(call, content.attachments)
    skipping = await suppressed(reads, people)
    going = [person for person in people if person.address.key not in skipping]
    message = outgoing(mail_id, sender, going, words_of(content, template, people), files)
    built = await anyio.to_thread.run_sync(compose, message, house.rules)
    skipped = [one.skipped(skipping[one.address.key]) for one in people if one.address.key in skipping]
    _note(call, content, sender, template)
    return Whole(mail_id, built, sender, people, skipped, files, template, house, content)


def _note(call: Call, content: Content, sender: Sender, template: Template | None) -> None:
    """What the mail rests on: if any of it changes before it is approved, the approval is void."""
    call.based_on("sender", sender.name, sender.version)
    if template is not None:
        call.based_on("template", template.name, template.version)
    if content.draft_id is not None:
        call.based_on("draft", content.draft_id, content.draft_version)


def words_of(content: Content, template: Template | None, people: Sequence[Person]) -> dict[str, str | None]:
    """Subject, text and HTML: the caller's where given, else the template's.

    Raises:
        Invalid: There is none, or the variables do not fit.
    """
    words: dict[str, str | None] = {**content.words}
    if template is not None:
        name = people[0].name if len(people) == 1 else None
        made = template.render(content.variables, name=name)
        words.setdefault("subject", made.subject)
        if not {"text", "html"} & content.words.keys():
            words |= {"text": made.text, "html": made.html}
    elif content.variables:
        raise Invalid("variables are for a template; name one, or leave them out.")
    if not words.get("subject") or not (words.get("text") or words.get("html")):
        raise Invalid("A mail needs a subject, and a text or HTML; or a template that has them.")
    return {word: words.get(word) for word in ("subject", "text", "html")}


def outgoing(
    mail_id: str,
    sender: Sender,
    people: Sequence[Person],
    words: Mapping[str, str | None],
    files: Sequence[File] = (),
    *,
    bulk: bool = False,
) -> Outgoing:
    """The message as safety builds it."""
    boxes = {place: tuple(one.address for one in people if one.place == place) for place in ("to", "cc", "bcc")}
    mailbox = sender.mailbox
    return Outgoing(
        sender=mailbox,
        reply_to=sender.reply_to,
        **boxes,
        subject=words["subject"] or "",
        text=words["text"],
        html=words["html"],
        attachments=tuple(file.attachment for file in files),
        message_id=message_id(mail_id, mailbox.mailbox),
        date=datetime.now(UTC),
        unsubscribe=sender.unsubscribe(mail_id) if bulk else None,
        automatic=bulk,
    )


def requester_of(call: Call) -> dict[str, Any]:
    """Who asks for it, as delivery keeps it."""
    caller = call.caller
    return {
        "created_by": caller.subject,
        "issuer": caller.issuer,
        "client": caller.client,
        "actors": [*caller.actors],
    }


def new_mail(
    mail_id: str,
    built: Built,
    sender: Sender,
    people: Sequence[Person],
    template: Template | None,
    requester: Mapping[str, Any],
    **more: Any,
) -> NewMail:
    """What delivery takes."""
    return NewMail(
        id=mail_id,
        message_id=message_id(mail_id, sender.mailbox.mailbox),
        sender=sender.name,
        envelope_from=built.envelope.sender,
        recipients=[
            NewRecipient(kind=one.place, address=one.address.mailbox, name=one.name, customer_id=one.customer_id)
            for one in people
        ],
        mime=built.mime,
        subject=built.subject,
        text=built.text,
        html=built.html,
        findings=[asdict(found) for found in built.findings[:FINDINGS_MAX]],
        smtputf8=built.envelope.smtputf8,
        template=template.name if template else None,
        template_version=template.version if template else None,
        **requester,
        **more,
    )


def require_safe(findings: Sequence[Finding], people: Sequence[Person]) -> None:
    """Nothing, if no finding blocks the mail.

    Raises:
        Invalid: All that block it; addresses that were looked up for the caller are masked.
    """
    blocking = [found for found in findings if found.severity == "block"]
    if not blocking:
        return
    told = [{"kind": one.kind, "where": one.where, "what": unshown(one.what, people)} for one in blocking[:20]]
    lines = " ".join(f"{one['where']}: {one['what']}" for one in told)
    raise Invalid(f"This mail must not be sent as it is. {lines}", findings=told)


def sender_shown(sender: Sender) -> From:
    return From(name=sender.name, shown=sender.mailbox.shown, reply_to=sender.reply_to)


def findings_shown(findings: Sequence[Finding]) -> list[answers.Finding]:
    """The worst first, and not more than one can read."""
    ordered = sorted(findings, key=lambda one: WORST_FIRST.index(one.severity))
    return [answers.Finding(**asdict(found)) for found in ordered[:FINDINGS_MAX]]


def composed(whole: Whole) -> Composed:
    return Composed(**whole.shown())
