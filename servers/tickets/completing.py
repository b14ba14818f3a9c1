"""Ids and names that begin as somebody began to type.

By a range and not by LIKE: under row-level security PostgreSQL walks an index only by leakproof operators, and
comparing text COLLATE "C" is one.
"""

from servers.tickets import queries
from servers.tickets.tools import tools
from shared.core.models import SUGGESTIONS_MAX
from shared.core.tool import Begun, Call, Suggestions

_LAST = "\U0010ffff"


@tools.completion("id", "tickets:read")
async def complete_ticket_id(call: Call, query: Begun) -> Suggestions:
    """Ids of tickets that begin with the value, in order. Titles complete nothing: search_tickets is there for them."""
    begun = query.value.upper()
    rows = await call.database.rows(queries.IDS_FROM, low=begun, high=begun + _LAST)
    return _suggested([row["id"] for row in rows])


@tools.completion("name", "tickets:read")
async def complete_queue(call: Call, query: Begun) -> Suggestions:
    """Names of queues that begin with the value, in order."""
    begun = query.value.lower()
    rows = await call.database.rows(queries.QUEUES_FROM, low=begun, high=begun + _LAST)
    return _suggested([row["name"] for row in rows])


def _suggested(found: list[str]) -> Suggestions:
    return Suggestions(values=found[:SUGGESTIONS_MAX], has_more=len(found) > SUGGESTIONS_MAX)
