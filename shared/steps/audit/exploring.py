"""Looks into the audit for people of one tenant: page by page, the newest first, and never another tenant's.

Each statement names the tenant, and the role of the console sees no other under row-level security (revision 0007).
What is asked for decides which index is walked: nothing here reads the whole table. Statements are put together of
constants; what people typed is always a parameter.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from shared.state.database import SET_CALLER

NAMED = re.compile(r"[A-Z][A-Z0-9_]{0,15}-[0-9A-Z]{1,26}")
"""An id as records name them: C-000042, T-7QX2M4N9KP, A-… ; the same as in `suite.audit_named`."""

_EVER = datetime(1, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)
_EQUAL = ("server", "target", "outcome", "request_id", "trace_id", "kind", "client")
_KEPT = "at, chain, seq, body"
_NEWEST = "ORDER BY at DESC, chain DESC, seq DESC"
_RELATED_MOST = 200
_RELATED = f"""
SELECT {_KEPT} FROM suite.audit WHERE tenant = $1 AND ($2::text IS NOT NULL AND request_id = $2)
UNION SELECT {_KEPT} FROM suite.audit WHERE tenant = $1 AND ($3::text IS NOT NULL AND trace_id = $3)
UNION SELECT {_KEPT} FROM suite.audit WHERE tenant = $1 AND ($4::uuid IS NOT NULL AND intent = $4)
ORDER BY at, chain, seq LIMIT {_RELATED_MOST}
"""  # noqa: S608 - constants
_ONE = f"SELECT {_KEPT} FROM suite.audit WHERE tenant = $1 AND id = $2"  # noqa: S608 - constants


class Position(NamedTuple):
    """Where a page ends: its last record's time and place."""

    at: datetime
    chain: UUID
    seq: int


@dataclass(frozen=True)
class Wanted:
    """Which records of a tenant; None means any.

    Attributes:
        person: Who called, or acted for whoever did.
        naming: An id that the record names anywhere, e.g. a customer's or an approval's.
        since: Not before.
        until: Before.
        intents: Whether to show what was begun besides what came of it.
    """

    person: str | None = None
    naming: str | None = None
    server: str | None = None
    target: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    trace_id: str | None = None
    kind: str | None = None
    client: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    intents: bool = False


@dataclass(frozen=True)
class Found:
    """A record and its place.

    Attributes:
        body: As it was signed.
    """

    position: Position
    body: bytes

    @property
    def record(self) -> Mapping[str, Any]:
        return orjson.loads(self.body)


async def page(
    connection: Any, tenant: str, wanted: Wanted, before: Position | None = None, limit: int = 50
) -> list[Found]:
    """The newest records that fit, or those before the end of an earlier page.

    Args:
        connection: Of the console's role or the reader's, in a transaction: the tenant is set for what is left of it.
        tenant: Whose records.
        wanted: Which of them.
        before: Where the earlier page ended.
        limit: At most so many.
    """
    await connection.execute(SET_CALLER, tenant, "{}")
    sql, values = statement(tenant, wanted, before, limit)
    return [_found(row) for row in await connection.fetch(sql, *values)]


async def one(connection: Any, tenant: str, record_id: UUID) -> Found | None:
    """One record by its id; None if the tenant has no such record."""
    await connection.execute(SET_CALLER, tenant, "{}")
    row = await connection.fetchrow(_ONE, tenant, record_id)
    return _found(row) if row else None


async def related(connection: Any, tenant: str, record: Mapping[str, Any]) -> list[Found]:
    """What else belongs to the same request, trace or intent, the oldest first; the record itself is among it."""
    await connection.execute(SET_CALLER, tenant, "{}")
    intent = record.get("intent")
    values = (record.get("request_id"), record.get("trace_id"), UUID(intent) if intent else None)
    return [_found(row) for row in await connection.fetch(_RELATED, tenant, *values)]


def statement(tenant: str, wanted: Wanted, before: Position | None, limit: int) -> tuple[str, Sequence[Any]]:
    """The query and its values."""
    values: list[Any] = [tenant]

    def given(value: Any) -> str:
        values.append(value)
        return f"${len(values)}"

    conditions = ["a.tenant = $1", *_conditions(wanted, before, given)]
    source = "suite.audit AS a"
    if wanted.naming is not None:
        since, until = wanted.since or _EVER, wanted.until or _NEVER
        named = f"suite.audit_naming({given(wanted.naming)}, {given(since)}, {given(until)})"
        source = f"{named} AS n JOIN suite.audit AS a ON (a.chain, a.seq) = (n.chain, n.seq)"
    most = given(limit)
    # Each branch can walk an index of its own in order; of one condition with OR, none could.
    branches = [
        f"(SELECT a.at, a.chain, a.seq, a.body FROM {source} WHERE {' AND '.join((*conditions, *more))} "  # noqa: S608 - constants
        f"{_NEWEST} LIMIT {most})"
        for more in _branches(wanted, given)
    ]
    return f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS found {_NEWEST} LIMIT {most}", values  # noqa: S608 - constants


def _conditions(wanted: Wanted, before: Position | None, given: Any) -> list[str]:
    found = [f"a.{name} = {given(value)}" for name in _EQUAL if (value := getattr(wanted, name)) is not None]
    if wanted.outcome not in {None, "ok"}:
        found.append("a.outcome <> 'ok'")  # so that the planner knows the partial index holds all of them
    if wanted.kind is None and not wanted.intents:
        found.append("a.kind <> 'intent'")
    if wanted.since is not None:
        found.append(f"a.at >= {given(wanted.since)}")
    if wanted.until is not None:
        found.append(f"a.at < {given(wanted.until)}")
    if before is not None:
        found.append(f"(a.at, a.chain, a.seq) < ({', '.join(map(given, before))})")
    return found


def _branches(wanted: Wanted, given: Any) -> list[list[str]]:
    if wanted.person is None:
        return [[]]
    who = given(wanted.person)
    return [[f"a.subject = {who}"], [f"a.actor = {who}", f"a.subject IS DISTINCT FROM {who}"]]


def _found(row: Any) -> Found:
    return Found(Position(row["at"], row["chain"], row["seq"]), row["body"])
