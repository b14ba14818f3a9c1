"""Queues: where tickets wait for somebody. Each is a resource, and the resources that can be listed."""

from servers.tickets import queries
from servers.tickets.answers import QueueCreated, QueueLink, QueueStanding
from servers.tickets.arguments import CreateQueue, ReadQueue
from servers.tickets.queueing import no_queue
from servers.tickets.tools import tools
from servers.tickets.views import summary
from shared.core.errors import Conflict
from shared.core.tool import Call, Listed, Page, Risk

_NEXT = 20
_LISTED = 100


@tools.resource("queue://{name}", "tickets:read", watchable=True)
async def read_queue(call: Call, query: ReadQueue) -> QueueStanding:
    """How a queue stands: tickets by status, what is overdue or nobody's, and the 20 that are due next."""
    queue = await call.database.row(queries.QUEUE, name=query.name)
    if queue is None:
        raise await no_queue(call.database, query.name)
    standing = await call.database.rows(queries.STANDING, queue=query.name)
    following = await call.database.rows(queries.NEXT_DUE, queue=query.name, limit=_NEXT)
    return QueueStanding(
        name=queue["name"],
        title=queue["title"],
        by_status={row["status"]: row["tickets"] for row in standing},
        unassigned=sum(row["unassigned"] for row in standing),
        overdue=sum(row["overdue"] for row in standing),
        next_due=[summary(row) for row in following],
    )


@tools.listing("tickets:read")
async def list_queues(call: Call, query: Page) -> Listed:
    """All queues, by name."""
    after = call.cursors.open(query.cursor, query)[0] if query.cursor else ""
    rows = await call.database.rows(queries.QUEUES, after=after, limit=_LISTED + 1)
    shown = rows[:_LISTED]
    resources = [
        QueueLink(uri=f"queue://{row['name']}", name=row["name"], title=row["title"], mime_type="application/json")
        for row in shown
    ]
    more = len(rows) > _LISTED
    return Listed(resources=resources, next_cursor=call.cursors.seal([shown[-1]["name"]], query) if more else None)


@tools.write("tickets:admin", risk=Risk.LOW)
async def create_queue(call: Call, query: CreateQueue) -> QueueCreated:
    """Make a queue, for whoever sets the house up. Tickets go there with create_ticket and update_ticket; a queue
    cannot be deleted.
    """
    row = await call.transaction.row(queries.ADD_QUEUE, new_name=query.name, new_title=query.title)
    if row is None:
        raise Conflict(f"There is a queue {query.name} already.")
    call.changed(f"queue://{query.name}")
    return QueueCreated(name=row["name"], title=row["title"])
