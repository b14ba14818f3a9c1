"""What the tools answer."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from servers.tickets.models import PII, Attachment, Comment, NextMove, SomeUser, Ticket, TicketLink, TicketSummary
from shared.core.fields import ChangeId, NextCursor
from shared.core.tool import Answer, Link
from shared.steps.redaction import Exact, Sensitive, Untrusted, mask_email


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: object) -> bool:
    return value == []


_Unchanged = Field(exclude_if=_is_none)


class WordChange(Answer):
    """A word of ours before and after."""

    before: Annotated[str | None, Exact()]
    after: Annotated[str | None, Exact()]


class TextChange(Answer):
    """Somebody's words before and after."""

    before: Annotated[str | None, Untrusted()]
    after: Annotated[str | None, Untrusted()]


class PersonChange(Answer):
    """Who it was and who it is."""

    before: SomeUser
    after: SomeUser


class EmailChange(Answer):
    """An e-mail address before and after."""

    before: Annotated[str | None, Sensitive(PII, mask_email)]
    after: Annotated[str | None, Sensitive(PII, mask_email)]


class TimeChange(Answer):
    """A time before and after."""

    before: datetime | None
    after: datetime | None


class WordsChange(Answer):
    """A list before and after."""

    before: list[str]
    after: list[str]


class PeopleChange(Answer):
    """Users before and after."""

    before: list[Annotated[str, Sensitive(PII, mask_email)]]
    after: list[Annotated[str, Sensitive(PII, mask_email)]]


class LinksChange(Answer):
    """Links before and after."""

    before: list[TicketLink]
    after: list[TicketLink]


class AttachmentsChange(Answer):
    """Attachments before and after."""

    before: list[Attachment]
    after: list[Attachment]


class TicketDiff(Answer):
    """Only the fields that changed are there."""

    type: Annotated[WordChange | None, _Unchanged] = None
    title: Annotated[TextChange | None, _Unchanged] = None
    body: Annotated[TextChange | None, _Unchanged] = None
    priority: Annotated[WordChange | None, _Unchanged] = None
    status: Annotated[WordChange | None, _Unchanged] = None
    queue: Annotated[WordChange | None, _Unchanged] = None
    assignee: Annotated[PersonChange | None, _Unchanged] = None
    requester_name: Annotated[TextChange | None, _Unchanged] = None
    requester_email: Annotated[EmailChange | None, _Unchanged] = None
    customer_id: Annotated[WordChange | None, _Unchanged] = None
    due_at: Annotated[TimeChange | None, _Unchanged] = None
    labels: Annotated[WordsChange | None, _Unchanged] = None
    watchers: Annotated[PeopleChange | None, _Unchanged] = None
    links: Annotated[LinksChange | None, _Unchanged] = None
    attachments: Annotated[AttachmentsChange | None, _Unchanged] = None
    resolution: Annotated[TextChange | None, _Unchanged] = None
    resolved_at: Annotated[TimeChange | None, _Unchanged] = None
    merged_into: Annotated[WordChange | None, _Unchanged] = None


class HistoryEntry(Answer):
    """One change of a ticket."""

    version: Annotated[int, Field(description="The version it made.")]
    act: Annotated[str, Exact()]
    by: Annotated[str, Sensitive(PII, mask_email)]
    at: datetime
    diff: TicketDiff
    change_id: Annotated[str | None, Exact()]


class WholeTicket(Answer):
    """A ticket with what was said about it."""

    ticket: Ticket
    next_moves: Annotated[list[NextMove], Field(description="Where transition_ticket can take it.")]
    comments: Annotated[list[Comment], Field(description="The newest, oldest of them first.")]
    comment_count: Annotated[int, Field(description="How many there are that you may see.")]
    history: Annotated[list[HistoryEntry], Field(description="If asked for: the last 50 changes, newest first.")]


class Tickets(Answer):
    """Tickets that were asked for by id."""

    tickets: Annotated[list[Ticket], Field(description="In the order asked for, each once.")]
    missing: Annotated[list[Annotated[str, Exact()]], Field(description="Ids that no ticket of yours has.")]


class Found(Answer):
    """One page of tickets."""

    tickets: list[TicketSummary]
    next_cursor: NextCursor
    total: Annotated[int | None, Field(description="How many fit a query, counted up to 500.")] = None
    advice: str | None = None


class SimilarTicket(Answer):
    """A ticket that is like another, and how it ended."""

    ticket: TicketSummary
    score: Annotated[float, Field(ge=0, description="Higher is more alike; only to compare with each other.")]
    resolution: Annotated[str | None, Untrusted()]


class SimilarTickets(Answer):
    """The most alike first."""

    similar: list[SimilarTicket]


class Created(Answer):
    """The ticket that was made."""

    ticket: Ticket


class Updated(Answer):
    """The ticket after the change, and what changed."""

    ticket: Ticket
    diff: Annotated[TicketDiff, Field(description="Each changed field before and after; empty if none did.")]
    change_id: ChangeId = None


class Commented(Answer):
    """The comment, and how to take it back."""

    ticket_id: Annotated[str, Exact()]
    comment: Comment
    change_id: ChangeId = None


class Linked(Answer):
    """Both tickets after the change."""

    ticket: Ticket
    other: Ticket
    change_id: ChangeId = None


class Merged(Answer):
    """Both tickets after the merge."""

    ticket: Annotated[Ticket, Field(description="The one that was kept.")]
    duplicate: Annotated[Ticket, Field(description="Merged; merged_into names the one that was kept.")]
    diff: Annotated[TicketDiff, Field(description="What changed in the one that was kept.")]
    moved_comments: int
    change_id: ChangeId = None


class BulkDiff(Answer):
    """What changes in each of a group; the due time follows the priority, and the time of resolving is now."""

    priority: Annotated[WordChange | None, _Unchanged] = None
    status: Annotated[WordChange | None, _Unchanged] = None
    queue: Annotated[WordChange | None, _Unchanged] = None
    assignee: Annotated[PersonChange | None, _Unchanged] = None
    resolution: Annotated[TextChange | None, _Unchanged] = None
    added_labels: Annotated[list[str], Field(default_factory=list, exclude_if=_is_empty)]
    removed_labels: Annotated[list[str], Field(default_factory=list, exclude_if=_is_empty)]


class BulkGroup(Answer):
    """Tickets that change in the same way."""

    diff: BulkDiff
    ticket_ids: list[Annotated[str, Exact()]]


class BulkSkipped(Answer):
    """Tickets that stay as they are, and why."""

    reason: str
    ticket_ids: list[Annotated[str, Exact()]]


class Bulk(Answer):
    """What changed, or would."""

    count: Annotated[int, Field(description="Tickets that change.")]
    plan: Annotated[str, Exact(), Field(description="Stands for exactly these changes of exactly these versions.")]
    groups: list[BulkGroup]
    skipped: list[BulkSkipped]
    change_id: ChangeId = None


class Undone(Answer):
    """What was taken back, and how the tickets are now."""

    change_id: Annotated[str, Exact()]
    act: Annotated[str, Exact()]
    changed_at: datetime
    count: Annotated[int, Field(description="Tickets that were changed back.")]
    tickets: Annotated[list[Ticket], Field(description="As they are now; the first 20.")]


class QueueStanding(Answer):
    """How a queue stands, and what comes next in it."""

    name: Annotated[str, Exact()]
    title: Annotated[str, Untrusted()]
    by_status: dict[str, int]
    unassigned: Annotated[int, Field(description="Unfinished, and nobody's.")]
    overdue: int
    next_due: Annotated[list[TicketSummary], Field(description="20 unfinished ones, those due first.")]


class QueueLink(Link):
    """A queue in the list of resources."""

    title: Annotated[str | None, Untrusted()] = None


class QueueCreated(Answer):
    """The queue that was made."""

    name: Annotated[str, Exact()]
    title: Annotated[str, Untrusted()]
