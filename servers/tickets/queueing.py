"""Whether a queue is there."""

from servers.tickets import queries
from shared.core.errors import NotFound
from shared.core.tool import Queries

_NAMED = 20


async def require_queue(asked: Queries, name: str) -> None:
    """Refuse a queue that is not there.

    Raises:
        NotFound: It says which there are.
    """
    if await asked.row(queries.QUEUE, name=name) is None:
        raise await no_queue(asked, name)


async def no_queue(asked: Queries, name: str) -> NotFound:
    rows = await asked.rows(queries.QUEUES, after="", limit=_NAMED)
    known = ", ".join(row["name"] for row in rows) or "none yet; create_queue makes one"
    return NotFound(f"There is no queue {name}. There are: {known}.")
