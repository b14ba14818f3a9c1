"""What the tools take."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from servers.tickets.due import Priority
from servers.tickets.models import (
    ATTACHMENTS_MAX,
    Attachment,
    Body,
    CustomerId,
    Due,
    Email,
    Labels,
    LinkKind,
    Name,
    QueueName,
    Resolution,
    TicketId,
    Title,
    Type,
    User,
    Watchers,
)
from servers.tickets.models import Label as LabelWord
from servers.tickets.workflow import Status
from shared.core.fields import Cursor, OneLine, Storable, Version
from shared.core.jobs import JobId
from shared.core.tool import Arguments, WriteArguments
from shared.steps.redaction import Exact

Attachments = Annotated[list[Attachment], Field(max_length=ATTACHMENTS_MAX)]


class OneTicket(Arguments):
    """Which ticket, and how much of it."""

    ticket_id: TicketId
    comments: Annotated[int, Field(ge=0, le=50, description="How many comments, the newest.")] = 10
    history: Annotated[bool, Field(description="With the last 50 changes.")] = False


class ReadTicket(Arguments):
    """A ticket as a resource."""

    id: TicketId


class ManyTickets(Arguments):
    """Which tickets."""

    ticket_ids: Annotated[list[TicketId], Field(min_length=1, max_length=100)]


class Where(Arguments):
    """Which tickets fit; all of what is given has to."""

    status: Annotated[list[Status] | None, Field(min_length=1, max_length=7, description="Any of these.")] = None
    queue: QueueName | None = None
    type: Type | None = None
    priority: Priority | None = None
    assignee: User | None = None
    unassigned: Annotated[bool, Field(description="Only those nobody is assigned to.")] = False
    customer_id: CustomerId | None = None
    label: LabelWord | None = None
    overdue: Annotated[bool, Field(description="Only unfinished ones whose due time is over.")] = False


class Search(Where):
    """What to look for."""

    query: Annotated[
        str | None,
        Field(
            min_length=2,
            max_length=200,
            description='Words of title or text; "a phrase", or, -without. An id. Absent: all that fit the filters.',
        ),
        OneLine,
    ] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class Mine(Arguments):
    """Which of the caller's own."""

    role: Annotated[
        str, Field(pattern="^(assigned|watching|created)$", description="assigned, watching or created.")
    ] = "assigned"
    finished: Annotated[bool, Field(description="Resolved, closed and merged ones too.")] = False
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class Similar(Arguments):
    """Like which ticket, or like which words; one of the two."""

    ticket_id: TicketId | None = None
    text: Annotated[str | None, Field(min_length=3, max_length=4_000), Storable] = None
    limit: Annotated[int, Field(ge=1, le=20)] = 5

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.ticket_id is None) == (self.text is None):
            raise ValueError("give ticket_id or text, and not both")
        return self


class CreateTicket(WriteArguments):
    """A ticket to make."""

    type: Type
    title: Title
    body: Body = ""
    priority: Priority = Priority.NORMAL
    queue: QueueName
    requester_name: Name | None = None
    requester_email: Email | None = None
    customer_id: CustomerId | None = None
    due_at: Due | None = None
    labels: Annotated[Labels, Field(default_factory=list)]
    watchers: Annotated[Watchers, Field(default_factory=list)]
    attachments: Annotated[Attachments, Field(default_factory=list)]


class AddComment(WriteArguments):
    """A comment to write."""

    ticket_id: TicketId
    text: Annotated[str, Field(min_length=1, max_length=10_000, description="Plain text."), Storable]
    internal: Annotated[
        bool, Field(description="true: for colleagues only. false: the requester sees it, so it leaves the house.")
    ] = True
    attachments: Annotated[Attachments, Field(default_factory=list)]


class TicketChanges(Arguments):
    """A JSON merge patch (RFC 7396): what is absent stays, null clears."""

    type: Type | None = None
    title: Title | None = None
    body: Body | None = None
    priority: Priority | None = None
    queue: QueueName | None = None
    requester_name: Name | None = None
    requester_email: Email | None = None
    customer_id: CustomerId | None = None
    due_at: Annotated[Due | None, Field(description="null: as the priority says.")] = None
    labels: Annotated[Labels | None, Field(description="Replaces all labels.")] = None
    watchers: Annotated[Watchers | None, Field(description="Replaces all watchers.")] = None
    attachments: Annotated[Attachments | None, Field(description="Replaces all attachments.")] = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        kept = self.model_fields_set - {"requester_name", "requester_email", "customer_id", "due_at"}
        if cleared := sorted(field for field in kept if getattr(self, field) is None):
            raise ValueError(f"{', '.join(cleared)} cannot be cleared; leave out what is to stay")
        return self


class UpdateTicket(WriteArguments):
    """What to change in one ticket."""

    ticket_id: TicketId
    version: Version
    changes: TicketChanges


class AssignTicket(WriteArguments):
    """Who shall work on a ticket."""

    ticket_id: TicketId
    version: Version
    assignee: Annotated[User | None, Field(description="A user's subject; me: yourself; null: nobody.")]


class TransitionTicket(WriteArguments):
    """Where a ticket goes."""

    ticket_id: TicketId
    version: Version
    status: Status
    resolution: Annotated[Resolution | None, Field(description="With resolved, and closed out of new.")] = None


class LinkTickets(WriteArguments):
    """Two tickets and how the first stands to the second."""

    ticket_id: TicketId
    version: Version
    kind: LinkKind
    other_id: TicketId
    remove: Annotated[bool, Field(description="Take the link away instead.")] = False

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.ticket_id == self.other_id:
            raise ValueError("ticket_id and other_id name the same ticket")
        return self


class MergeTickets(WriteArguments):
    """Which ticket stays, and which goes into it."""

    keep_id: TicketId
    keep_version: Version
    duplicate_id: TicketId
    duplicate_version: Version

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.keep_id == self.duplicate_id:
            raise ValueError("keep_id and duplicate_id name the same ticket; a merge needs two")
        return self


class ExportTickets(WriteArguments):
    """Which tickets; all without a filter."""

    where: Where | None = None


class OnePart(Arguments):
    """One part of a finished export."""

    job_id: JobId
    part: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}$", description="1 and up.")]


class UndoChange(WriteArguments):
    """Which change to take back."""

    change_id: Annotated[str, Exact(), Field(pattern=r"^CH-[0-9A-Z]{10}$", description="As the write returned it.")]


class ReadQueue(Arguments):
    """A queue as a resource."""

    name: QueueName


class CreateQueue(WriteArguments):
    """A queue to make."""

    name: QueueName
    title: Title
