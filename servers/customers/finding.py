"""One search, page by page."""

from collections.abc import Sequence
from typing import Any

from servers.customers import queries
from servers.customers.fields import PII
from servers.customers.models import CustomerSummary, Found, Search
from servers.customers.search import Range, Wanted, wanted
from shared.core.tool import Call

_COUNTED = 1000
NEEDS_PII = Found(
    customers=[],
    total_count=0,
    total_is_exact=True,
    next_cursor=None,
    note=f"Searching by e-mail or phone needs the scope {PII}; without it such a query finds nothing. "
    "Search by name, company or city instead.",
)


async def find(call: Call, query: Search) -> Found:
    """The page at the cursor, which carries what the first page settled: total, ranges, and the last position."""
    asked = wanted(query.query, query.tag)
    if asked.sensitive and not call.caller.may(PII):
        return NEEDS_PII
    if query.cursor:
        total, is_exact, chosen, position = call.cursors.open(query.cursor, query)
    else:
        total, is_exact, chosen = None, True, await _rarest_first(call, asked)
        position = [asked.ranges[chosen[0]].low, "", ""]
    ranges = [asked.ranges[number] for number in chosen]
    rows = await _page(call, query, ranges, position)
    more = len(rows) > query.limit
    if total is None:
        total, is_exact = await _total(call, query, ranges) if more else (len(rows), True)
    rows = rows[: query.limit]
    position = [rows[-1]["found_term"], rows[-1]["found_name"], rows[-1]["id"]] if more else []
    return Found(
        customers=[CustomerSummary(**row) for row in rows],
        total_count=total,
        total_is_exact=is_exact,
        next_cursor=call.cursors.seal([total, is_exact, chosen, position], query) if more else None,
    )


async def _rarest_first(call: Call, asked: Wanted) -> list[int]:
    """Which of the ranges to search by: the phrase if there is one, and the rarest first, to walk the least."""
    if len(asked.ranges) == 1:
        return [0]
    lows, highs = zip(*((found.low, found.high) for found in asked.ranges), strict=True)
    counted = await call.database.rows(queries.HOW_COMMON, lows=lows, highs=highs, limit=_COUNTED)
    common = [row["terms"] for row in counted]
    chosen = asked.together if asked.together and common[asked.together[0]] else asked.apart
    return sorted(chosen, key=lambda number: (common[number], -len(asked.ranges[number].low)))


async def _page(call: Call, query: Search, ranges: list[Range], position: Sequence[str]) -> list[Any]:
    facets = _facets(query)
    return await call.database.rows(
        queries.search_page(len(ranges), frozenset(facets)),
        **facets,
        **_bounds(ranges, position),
        low_0=ranges[0].low,
        limit=query.limit + 1,
    )


async def _total(call: Call, query: Search, ranges: list[Range]) -> tuple[int, bool]:
    facets = _facets(query)
    row = await call.database.row(
        queries.search_total(len(ranges), frozenset(facets)),
        **facets,
        **_bounds(ranges, (ranges[0].low, "", "")),
        limit=_COUNTED,
    )
    return (row["customers"], row["terms"] < _COUNTED) if row else (0, True)


def _facets(query: Search) -> dict[str, str]:
    given = {"status": query.status, "segment": query.segment, "country": query.country}
    return {facet: value for facet, value in given.items() if value is not None}


def _bounds(ranges: list[Range], position: Sequence[str]) -> dict[str, str]:
    """From the position up to the end of the first range; the others whole."""
    bounds = dict(zip(("from_term", "from_name", "from_id"), position, strict=True)) | {"high_0": ranges[0].high}
    for number, found in enumerate(ranges[1:], start=1):
        bounds |= {f"low_{number}": found.low, f"high_{number}": found.high}
    return bounds
