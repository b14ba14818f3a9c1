"""Finding tickets: by words, by what they are, and those like another."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from servers.tickets import queries
from servers.tickets.answers import Found
from servers.tickets.arguments import Mine, Search, Where
from servers.tickets.marks import alternatives, required, watched_by
from servers.tickets.views import summary
from servers.tickets.workflow import UNFINISHED
from shared.core.tool import Call

RANKED_MAX = 500
"""Tickets with the words that are ranked."""

_MARKED_MAX = 10_000
_AFTER_ALL = (datetime(9999, 1, 1, tzinfo=UTC).isoformat(), "")
_ID = re.compile(r"[A-Z][A-Z0-9_]{0,15}-[0-9A-Z]{1,12}", re.IGNORECASE)
_NOTHING = "Nothing was found. Try fewer or other words, or fewer filters."
_ROLES = {"assigned": "assignee", "created": "created_by"}


async def find(call: Call, query: Search) -> Found:
    """One page of what fits."""
    if query.query is None:
        return await _newest(call, query, conditions(query), by_marks(query))
    if _ID.fullmatch(query.query) and not query.cursor:
        where = conditions(query)
        row = await call.database.row(queries.one(frozenset(where)), **where, id=query.query.upper())
        if row is not None and (query.label is None or query.label in row["labels"]):
            return Found(tickets=[summary(row)], next_cursor=None, total=1)
    return await _best(call, query, query.query)


async def mine(call: Call, query: Mine) -> Found:
    """One page of the caller's own."""
    me = call.caller.subject
    where: dict[str, Any] = {_ROLES[query.role]: me} if query.role in _ROLES else {}
    if not query.finished:
        where["status"] = sorted(UNFINISHED)
    watched = {"required": [watched_by(me)], "alternatives": [], "most": _MARKED_MAX}
    return await _newest(call, query, where, {} if query.role in _ROLES else watched)


def conditions(query: Where) -> dict[str, Any]:
    """What is asked, by the names `queries.page` and `queries.search` know."""
    given = query.model_dump(
        include={"status", "queue", "type", "priority", "assignee", "customer_id", "updated_before"}, exclude_none=True
    )
    flags = {name: True for name in ("unassigned", "overdue") if getattr(query, name)}
    return {**given, **flags}


def by_marks(query: Where) -> dict[str, Any]:
    """What the index of words is asked where no words are: for labels alone, the rest has indexes of its own."""
    if query.label is None:
        return {}
    return {"required": required(query), "alternatives": alternatives(query), "most": _MARKED_MAX}


async def _best(call: Call, query: Search, words: str) -> Found:
    skip: int = call.cursors.open(query.cursor, query)[0] if query.cursor else 0
    where = conditions(query)
    rows = await call.database.rows(
        queries.search(frozenset(where)),
        **where,
        wanted=words,
        required=required(query),
        alternatives=alternatives(query),
        most=RANKED_MAX,
        limit=query.limit,
        skip=skip,
    )
    total: int = rows[0]["total"] if rows else 0
    more = skip + len(rows) < total
    return Found(
        tickets=[summary(row) for row in rows],
        next_cursor=call.cursors.seal([skip + len(rows)], query) if more else None,
        total=total,
        advice=None if rows or skip else _NOTHING,
    )


async def _newest(call: Call, query: Search | Mine, where: Mapping[str, Any], marked: Mapping[str, Any]) -> Found:
    before_at, before_id = call.cursors.open(query.cursor, query) if query.cursor else _AFTER_ALL
    rows = await call.database.rows(
        queries.page(frozenset(where), marked=bool(marked)),
        **where,
        **marked,
        before_at=datetime.fromisoformat(before_at),
        before_id=before_id,
        limit=query.limit + 1,
    )
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    position = [shown[-1]["updated_at"].isoformat(), shown[-1]["id"]] if more else []
    return Found(
        tickets=[summary(row) for row in shown],
        next_cursor=call.cursors.seal(position, query) if more else None,
        advice=None if rows or query.cursor else _NOTHING,
    )
