"""What the tools take."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from servers.mail.models import (
    ATTACHMENTS_MAX,
    BULK_MAX,
    AnyId,
    CustomerId,
    DocumentUri,
    DraftId,
    Html,
    MailId,
    Recipient,
    Recipients,
    SenderName,
    Subject,
    TemplateName,
    Text,
    Variables,
)
from shared.core.fields import Cursor, Version
from shared.core.jobs import JobId
from shared.core.tool import Arguments, WriteArguments

Attachments = Annotated[
    list[DocumentUri], Field(max_length=ATTACHMENTS_MAX, description="Documents that go with it; 5 MB together.")
]


class Written(Arguments):
    """A mail as somebody writes it. subject, text and html stand in place of what the template would make."""

    to: Annotated[Recipients, Field(default_factory=list)]
    cc: Annotated[Recipients, Field(default_factory=list)]
    bcc: Annotated[Recipients, Field(default_factory=list)]
    subject: Subject | None = None
    text: Text | None = None
    html: Html | None = None
    template: TemplateName | None = None
    variables: Annotated[Variables, Field(default_factory=dict)]
    attachments: Annotated[Attachments, Field(default_factory=list)]


class DraftEmail(WriteArguments, Written):
    """A mail to begin."""

    sender: SenderName


class DraftChanges(Arguments):
    """A JSON merge patch (RFC 7396): what is absent stays, null clears."""

    sender: SenderName | None = None
    to: Recipients | None = None
    cc: Recipients | None = None
    bcc: Recipients | None = None
    subject: Subject | None = None
    text: Text | None = None
    html: Html | None = None
    template: TemplateName | None = None
    variables: Annotated[Variables | None, Field(description="Merged by name; null takes a value away.")] = None
    attachments: Annotated[Attachments | None, Field(description="Replaces all.")] = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        kept = self.model_fields_set - {"subject", "text", "html", "template"}
        if cleared := sorted(field for field in kept if getattr(self, field) is None):
            raise ValueError(f"{', '.join(cleared)} cannot be null; give an empty list, or leave out what is to stay")
        return self


class UpdateDraft(WriteArguments):
    """What to change in one draft."""

    draft_id: DraftId
    version: Version
    changes: DraftChanges


class Sendable(Written):
    """A draft, by its id and version, or a mail written here. With a draft, subject, text and html replace its own."""

    draft_id: DraftId | None = None
    version: Version | None = None
    sender: SenderName | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.draft_id is None:
            if self.version is not None:
                raise ValueError("version goes with draft_id")
            if self.sender is None or not (self.to or self.cc or self.bcc):
                raise ValueError("give draft_id and version, or sender and at least one recipient")
            return self
        if self.version is None:
            raise ValueError("draft_id needs the version you have read")
        other = {"sender", "to", "cc", "bcc", "template", "variables", "attachments"} & self.model_fields_set
        if other:
            raise ValueError(f"{', '.join(sorted(other))}: the draft says so itself; change it with update_draft")
        return self


class PreviewEmail(Sendable):
    """What to look at before it is sent."""


INSIDE = "true: everybody it goes to is of our own domains; refused if somebody is not. Such mail needs less approval."
CONFIDENTIAL = "true: something confidential goes out with it; refused without, if an attachment is."


class SendEmail(WriteArguments, Sendable):
    """What to send."""

    inside: Annotated[bool, Field(description=INSIDE)] = False
    confidential: Annotated[bool, Field(description=CONFIDENTIAL)] = False


class BulkRecipient(Arguments):
    """One recipient, and values of their own."""

    to: Recipient
    variables: Annotated[Variables, Field(default_factory=dict)]


class SendBulk(WriteArguments):
    """A template, and to whom: recipients with values of their own, or customers by id."""

    sender: SenderName
    template: TemplateName
    variables: Annotated[
        Variables, Field(default_factory=dict, description="Values for all; a recipient's own go first.")
    ]
    recipients: Annotated[list[BulkRecipient] | None, Field(min_length=1, max_length=BULK_MAX)] = None
    customer_ids: Annotated[list[CustomerId] | None, Field(min_length=1, max_length=BULK_MAX)] = None
    count: Annotated[
        int, Field(ge=1, le=BULK_MAX, description="How many recipients are given; refused if it is another number.")
    ]
    inside: Annotated[bool, Field(description=INSIDE)] = False

    @property
    def all(self) -> list[BulkRecipient]:
        """Every recipient, in the order given."""
        return self.recipients or [BulkRecipient(to=customer, variables={}) for customer in self.customer_ids or ()]

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if (self.recipients is None) == (self.customer_ids is None):
            raise ValueError("give recipients or customer_ids, and not both")
        given = self.all
        if len({one.to.casefold() for one in given}) != len(given):
            raise ValueError("somebody is named twice; each recipient gets one mail")
        return self


class OnePart(Arguments):
    """One part of a bulk that is done."""

    job_id: JobId
    part: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}$", description="1 and up.")]


class OneMail(Arguments):
    """Which mail."""

    mail_id: MailId


class ReadMail(Arguments):
    """A mail or a draft as a resource."""

    id: AnyId


State = Literal["queued", "sending", "retrying", "sent", "failed", "dead", "cancelled", "unknown"]


class ListEmails(Arguments):
    """Which mails."""

    state: State | None = None
    job_id: Annotated[JobId | None, Field(description="Those of one bulk.")] = None
    mine: Annotated[bool, Field(description="Only those you sent.")] = False
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class CancelEmail(WriteArguments):
    """A mail that shall not go out."""

    mail_id: MailId


class Nothing(Arguments):
    """Takes nothing."""
