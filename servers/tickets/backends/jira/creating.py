from datetime import UTC, datetime

from servers.tickets.answers import Created
from servers.tickets.arguments import CreateTicket
from servers.tickets.backends.jira.fields import fields_of
from servers.tickets.backends.jira.markers import API, CREATE, label
from servers.tickets.backends.jira.reading import Reading
from servers.tickets.backends.jira.shapes import Made
from servers.tickets.models import Ticket
from servers.tickets.workflow import Status
from shared.core.upstreams import Sender

_NOT_FIELDS = {"idempotency_key", "dry_run"}


async def create(reading: Reading, query: CreateTicket) -> Created:
    """Make an issue; it bears the label by which it is found again."""
    wished = query.model_dump(exclude=_NOT_FIELDS, exclude_none=True)
    fields = fields_of(wished, reading.options)
    if query.dry_run:
        return Created(ticket=_as_it_would_be(query, reading))

    async def send(sender: Sender, marker: str) -> str:
        body = {"fields": {**fields, "labels": [*query.labels, label(marker)]}}
        made = await sender.send("POST", (*API, "issue"), body, Made)
        assert made is not None, "its answer was asked for"  # noqa: S101 - an invariant
        return made.key

    key = await reading.call.upstream.once(CREATE, "", send)
    return Created(ticket=await reading.one(key))


def _as_it_would_be(query: CreateTicket, reading: Reading) -> Ticket:
    """For a dry run; the id, the times and the requester are Jira's to give."""
    now = datetime.now(UTC)
    wished = query.model_dump(include={"type", "title", "body", "priority", "queue", "customer_id", "labels"})
    return Ticket(
        **wished,
        id=f"{reading.options.queues[query.queue].project}-0",
        status=Status.NEW,
        assignee=None,
        due_at=query.due_at,
        overdue=False,
        version=1,
        updated_at=now,
        requester_name=None,
        requester_email=None,
        watchers=[],
        links=[],
        attachments=[],
        resolution=None,
        created_by=None,
        created_at=now,
        resolved_at=None,
    )
