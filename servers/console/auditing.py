"""What the console reads of the audit: one tenant's, and each look is itself recorded, as every call is."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from servers.console.desk import desk
from servers.console.records import (
    Bodies,
    Check,
    Checked,
    Export,
    Filters,
    Line,
    Lines,
    OneRecord,
    Record,
    Search,
    Wrong,
)
from servers.console.tools import tools
from shared.core.errors import NotFound
from shared.core.tool import Call
from shared.steps.audit import checking, exploring
from shared.steps.audit.checking import Walk
from shared.steps.audit.exploring import NAMED, Found, Position, Wanted

_STEP_S = 2.0
_TOLD = 120
_EQUAL = ("person", "server", "client", "outcome", "kind", "request_id", "trace_id", "since", "until", "intents")
_OF_LINE = (
    "id",
    "at",
    "kind",
    "subject",
    "actor",
    "client",
    "server",
    "target",
    "outcome",
    "duration_us",
    "request_id",
)


@tools.read("audit:read")
async def search_audit(call: Call, query: Search) -> Lines:
    """Records that fit, the newest first, page by page."""
    found, cursor = await _found(call, query, query.limit)
    return Lines(records=[_line(each) for each in found], next_cursor=cursor)


@tools.read("audit:export")
async def export_audit(call: Call, query: Export) -> Bodies:
    """Records that fit, the newest first, whole, as they were signed: to be saved as a file."""
    found, cursor = await _found(call, query, query.limit)
    return Bodies(bodies=[each.body.decode() for each in found], next_cursor=cursor)


@tools.read("audit:read")
async def get_record(call: Call, query: OneRecord) -> Record:
    """One record as it was signed, whether it verifies, and what belongs to it."""
    here, tenant, record_id = desk(call), call.caller.tenant, UUID(query.record_id)
    async with here.database.snapshot(tenant) as transaction:
        found = await exploring.one(transaction.connection, tenant, record_id)
        if found is None:
            raise NotFound("There is no such record, or it is not of your tenant. Find it with a search.")
        problems = await checking.fits(transaction.connection, here.audit_keys, tenant, record_id)
        related = await exploring.related(transaction.connection, tenant, found.record)
    record = found.record
    return Record(
        line=_line(found),
        body=orjson.dumps(record, option=orjson.OPT_INDENT_2).decode(),
        chain=str(found.position.chain),
        seq=found.position.seq,
        key_id=record.get("key_id"),
        trace_id=record.get("trace_id"),
        problems=[Wrong(where=one.where, what=one.what) for one in problems],
        related=[_line(each) for each in related],
        names=sorted({*NAMED.findall(found.body.decode())})[:20],
    )


@tools.read("audit:read", deadline_s=20.0)
async def check_audit(call: Call, query: Check) -> Checked:
    """Check the chain for a while: the tenant's records whole, and that none is missing between them."""
    here, tenant = desk(call), call.caller.tenant
    walk = _walk(call.cursors.open(query.cursor, query)) if query.cursor else Walk()
    async with here.database.snapshot(tenant) as transaction:
        walk = await checking.check(transaction.connection, here.audit_keys, tenant, walk, _STEP_S)
    return Checked(
        links=walk.links,
        own=walk.own,
        problems=[Wrong(where=where, what=what) for where, what in walk.problems],
        found=walk.found,
        chains=walk.chains[0],
        begun=walk.chains[1],
        cursor=None if walk.done else call.cursors.seal(astuple(walk), query),
    )


async def _found(call: Call, query: Filters, limit: int) -> tuple[Sequence[Found], str | None]:
    """A page, and the cursor of the next."""
    tenant = call.caller.tenant
    before = _position(call.cursors.open(query.cursor, query)) if query.cursor else None
    async with desk(call).database.snapshot(tenant) as transaction:
        found = await exploring.page(transaction.connection, tenant, _wanted(query), before, limit + 1)
    shown = found[:limit]
    more = len(found) > limit
    return shown, call.cursors.seal([str(part) for part in shown[-1].position], query) if more else None


def _wanted(query: Filters) -> Wanted:
    about = {"naming" if query.names_an_id else "target": query.about}
    return Wanted(**about, **{name: getattr(query, name) for name in _EQUAL})


def _position(parts: Sequence[Any]) -> Position:
    at, chain, seq = parts
    return Position(datetime.fromisoformat(at), UUID(chain), int(seq))


def _walk(parts: Sequence[Any]) -> Walk:
    chain, seq, hashed, links, own, problems, found, chains, done = parts
    pairs = tuple((where, what) for where, what in problems)
    return Walk(chain, seq, hashed, links, own, pairs, found, (chains[0], chains[1]), done)


def _line(found: Found) -> Line:
    record = found.record
    arguments: dict[str, Any] = record.get("arguments") or record.get("facts") or record.get("switch") or {}
    given = {name: value for name, value in arguments.items() if value not in (None, False, [], {})}
    told = orjson.dumps(given).decode() if given else ""
    cut = told if len(told) <= _TOLD else f"{told[:_TOLD]} …"
    return Line.model_validate({**{name: record.get(name) for name in _OF_LINE}, "told": cut})
