"""What comes out of the tools."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from servers.mail.models import Address, AttachedFile, Draft, From, Mailbox, Skipped, SomeUser
from servers.mail.templating.variables import Variable
from shared.core.fields import NextCursor
from shared.core.jobs import Job
from shared.core.tool import Answer
from shared.steps.redaction import Exact, Untrusted

FINDINGS_MAX = 100
"""Of one answer."""


class Finding(Answer):
    """Something that was found in a mail, and what was done about it."""

    kind: Annotated[str, Exact()]
    severity: Annotated[Literal["info", "warning", "block"], Field(description="block: it cannot be sent like this.")]
    where: Annotated[str, Exact()]
    what: str
    before: str = ""
    after: str = ""
    count: int = 1


class Composed(Answer):
    """A mail as it goes."""

    sender: From
    to: list[Mailbox]
    cc: list[Mailbox]
    bcc: list[Mailbox]
    skipped: Annotated[list[Skipped], Field(description="Nothing goes to these.")]
    subject: str
    text: str
    html: str | None
    attachments: list[AttachedFile]
    findings: Annotated[list[Finding], Field(description="What was taken out or should be looked at; worst first.")]
    outside: Annotated[bool, Field(description="Somebody outside is among the recipients.")]
    confidential: Annotated[bool, Field(description="An attachment is confidential.")]


class Preview(Composed):
    """A mail as it would go, and whether it can."""

    blocked: bool


class Sent(Composed):
    """A mail that is on its way."""

    id: Annotated[str, Exact()]
    state: Annotated[str, Exact()]


class Drafted(Answer):
    """A draft as it is now."""

    draft: Draft


class BulkJob(Job):
    """A job that sends to many."""

    count: Annotated[int, Field(description="Recipients, without those it skips.")]
    outside: bool
    skipped: list[Skipped]
    first: Annotated[Composed, Field(description="The first of the mails, as it goes.")]


class BulkLine(Mailbox):
    """What became of one recipient of a bulk."""

    mail_id: Annotated[str | None, Exact(), Field(description="For get_email_status; null: skipped.")]
    skipped: Annotated[str | None, Exact()] = None


class BulkPart(Answer):
    """One part of a bulk."""

    job_id: Annotated[str, Exact()]
    part: int
    parts: int
    recipients: list[BulkLine]


class Delivery(Answer):
    """How far one recipient is."""

    kind: Annotated[str, Exact()]
    address: Address
    name: str | None
    customer_id: Annotated[str | None, Exact()]
    state: Annotated[str, Exact(), Field(description="waiting, sent, refused, given_up or cancelled.")]
    code: Annotated[int | None, Field(description="What the relay answered last.")]
    said: Annotated[str | None, Untrusted()]
    at: datetime


class Attempt(Answer):
    """One attempt to hand the mail to the relay."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: Annotated[str | None, Exact()]
    code: int | None


class MailSummary(Answer):
    """A mail in a list."""

    id: Annotated[str, Exact()]
    state: Annotated[str, Exact()]
    subject: str
    sender: Annotated[str, Exact()]
    template: Annotated[str | None, Exact()]
    draft_id: Annotated[str | None, Exact()]
    job_id: Annotated[str | None, Exact()]
    confidential: bool
    created_by: SomeUser
    created_at: datetime
    sent_at: datetime | None
    emptied_at: Annotated[
        datetime | None, Field(description="What it said and to whom was removed then, since it was old.")
    ] = None


class Mails(Answer):
    """A page of mails, the newest first."""

    mails: list[MailSummary]
    next_cursor: NextCursor
    relay: Annotated[str | None, Field(description="Why mails wait, while the relay is down.")]


class Status(Answer):
    """Where a mail stands."""

    id: Annotated[str, Exact()]
    state: Annotated[str, Exact()]
    meaning: Annotated[str, Exact(), Field(description="The state in words, and what to do.")]
    next_attempt_at: datetime | None
    sent_at: datetime | None
    recipients: list[Delivery]
    attempts: list[Attempt]
    relay: Annotated[str | None, Field(description="Why it waits, while the relay is down.")]


class WholeMail(Answer):
    """A mail as it went, and where it stands."""

    summary: MailSummary
    text: str
    html: str | None
    attachments: list[AttachedFile]
    findings: list[Finding]
    status: Status


class MailOrDraft(Answer):
    """One of the two."""

    mail: WholeMail | None = None
    draft: Draft | None = None


class Cancelled(Answer):
    """A mail that will not go."""

    id: Annotated[str, Exact()]
    state: Annotated[str, Exact()]
    draft_id: Annotated[str | None, Exact(), Field(description="The draft it was, which can be sent again.")]


class TemplateShown(Answer):
    """A template, with what it takes."""

    name: Annotated[str, Exact()]
    version: int
    title: str
    description: str
    subject: str
    html: Annotated[bool, Field(description="It has an HTML part, too.")]
    variables: dict[str, Variable]


class Templates(Answer):
    """All templates there are."""

    templates: list[TemplateShown]
