"""Ids that begin as somebody began to type."""

from servers.customers import queries
from servers.customers.tools import tools
from shared.core.models import SUGGESTIONS_MAX
from shared.core.tool import Begun, Call, Suggestions

_LAST = "\U0010ffff"


@tools.completion("customer_id", "customers:read")
async def complete_customer_id(call: Call, query: Begun) -> Suggestions:
    """Ids of customers that begin with the value, in order.

    By a range and not by LIKE: under row-level security PostgreSQL walks an index only by leakproof operators, and
    comparing text COLLATE "C" is one. Names complete nothing: search_customers is there for them.
    """
    begun = query.value.upper()
    rows = await call.database.rows(queries.IDS_FROM, low=begun, high=begun + _LAST)
    ids = [row["id"] for row in rows]
    return Suggestions(values=ids[:SUGGESTIONS_MAX], has_more=len(ids) > SUGGESTIONS_MAX)
