"""The audit at size: how fast it is written, verified and asked."""

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

from servers.customers.models import OneCustomer
from servers.customers.tools import tools
from shared.core.caller import Caller
from shared.core.request import Request
from shared.core.settings import Settings
from shared.state.database import connect
from shared.state.keys import KeyRing
from shared.state.roles import Urls
from shared.state.services import SUITE_REVISIONS
from shared.steps.audit import chain as chain_module
from shared.steps.audit import record
from shared.steps.audit.chain import COLUMNS, Head, Row, link
from shared.steps.audit.exploring import Found, Wanted, page
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import verify
from shared.steps.audit.writer import open_writer
from tests.bench.stores import Facts, Stores

RING = KeyRing([sha256(b"bench").digest()])
_WHO = "C-000042"
_CHAINS = 10
_CUSTOMERS = 100_000
_DAYS = 365
_PAGE = 10_000
_END = datetime(2026, 6, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Trail:
    """What was seen.

    Attributes:
        records: How many were verified and searched.
        verified: Records a second.
        written: Records a second, many callers at once.
        written_alone_ms: One record, one caller, until it is durable.
        touched_ms: Who read the resource of one customer in the last quarter, by the indexed target.
        named_ms: Who touched that customer, by tool or resource, found by what records name.
        touched: How many records these two found.
    """

    records: int
    verified: float
    written: float
    written_alone_ms: float
    touched_ms: float
    named_ms: float
    touched: tuple[int, int]


async def measure(stores: Stores, size: int, writes: int) -> Trail:
    urls, facts = await stores.kept(f"audit_{size}", _sources(), lambda urls, admin: _fill(admin, size))
    written, alone_ms = await _written(await stores.fresh("bench_writer"), stores.home, writes)
    async with _reader(urls) as connection:
        began = time.perf_counter()
        report = await verify(connection, RING)
        verified = report.records / (time.perf_counter() - began)
        if report.problems or report.records != facts["records"]:
            raise AssertionError(f"the chain we made does not verify: {report.problems[:3]}")
        since = _END - timedelta(days=91)
        wanted = Filter(tenant="acme", target=f"customer://{_WHO}", since=since, limit=10_000)
        touched_ms, touched = await _timed(lambda: query(connection, wanted), 20)
        named_ms, named = await _timed(lambda: _named(connection, since), 20)
    return Trail(report.records, verified, written, alone_ms, touched_ms, named_ms, (len(touched), len(named)))


async def _named(connection: Any, since: datetime) -> list[Found]:
    async with connection.transaction(readonly=True):
        return await page(connection, "acme", Wanted(naming=_WHO, since=since), limit=10_000)


async def _timed(ask: Any, times: int) -> tuple[float, Any]:
    taken: list[float] = []
    answer: Any = None
    for _ in range(times):
        began = time.perf_counter()
        answer = await ask()
        taken.append((time.perf_counter() - began) * 1000)
    return median(taken), answer


async def _written(urls: Urls, folder: Path, count: int) -> tuple[float, float]:
    """Records a second from 64 callers at once, and the milliseconds one takes alone."""
    like = await template()

    async def some(sink: Any, number: int) -> None:
        for _ in range(number):
            ids = {"id": str(uuid4()), "request_id": f"req_{os.urandom(8).hex()}", "trace_id": os.urandom(16).hex()}
            await sink.write({**like, **ids})

    async with open_writer(urls.app, RING, Settings(data_dir=folder)) as writer:
        await some(writer, 50)
        began = time.perf_counter()
        await some(writer, 200)
        alone_ms = (time.perf_counter() - began) / 200 * 1000
        began = time.perf_counter()
        await asyncio.gather(*(some(writer, count // 64) for _ in range(64)))
        return count // 64 * 64 / (time.perf_counter() - began), alone_ms


async def template() -> dict[str, Any]:
    """A record as the pipeline makes it."""
    kept: list[dict[str, Any]] = []

    class Kept:
        async def write(self, record: dict[str, Any]) -> None:
            kept.append(record)

    caller = Caller(
        "acme-support-agent", "http://127.0.0.1:8080/idp", "mcp-suite", "acme", frozenset(["customers:read"])
    )
    arguments = {"customer_id": _WHO}
    request = Request(
        "customers",
        "tool",
        "get_customer",
        arguments,
        "req_0123456789abcdef",
        "2026-07-28",
        "http",
        "127.0.0.1",
        "bench",
    )
    async with record(Kept(), request, caller, tools.tools["get_customer"]) as entry:
        entry.query = OneCustomer(**arguments)
        entry.facts["redacted"] = ["email", "phone", "street", "postal_code"]
    return kept[0]


async def _fill(admin: Any, size: int) -> Facts:
    like, chance = await template(), random.Random(42)
    for number in range(_CHAINS):
        chain = UUID(int=chance.getrandbits(128), version=4)
        await admin.execute("INSERT INTO suite.audit_chain (chain, settled) VALUES ($1, true)", chain)
        head, share = Head(chain), size // _CHAINS
        made = _records(like, chance, number * share, share, size)
        while page := _linked(head, made):
            rows, head = page
            await admin.copy_records_to_table("audit", schema_name="suite", columns=COLUMNS, records=rows)
    return {"records": size}


def _linked(head: Head, made: Iterator[dict[str, Any]]) -> tuple[list[Row], Head] | None:
    rows: list[Row] = []
    for made_record in made:
        row, head = link(head, made_record, RING)
        rows.append(row)
        if len(rows) == _PAGE:
            break
    return (rows, head) if rows else None


def _records(
    like: dict[str, Any], chance: random.Random, first: int, count: int, size: int
) -> Iterator[dict[str, Any]]:
    """One chain's: its registration, then calls of tools and every fifth a read of a resource, over a year."""
    step = timedelta(days=_DAYS) / size
    for number in range(first, first + count):
        at = (_END - timedelta(days=_DAYS) + step * number).isoformat(timespec="microseconds")
        base = {"v": 1, "id": str(UUID(int=chance.getrandbits(128), version=4)), "at": at}
        if number == first:
            yield {**base, "kind": "chain", "previous": None}
            continue
        who = f"C-{chance.randrange(_CUSTOMERS):06}"
        made = {**like, **base, "subject": f"user-{chance.randrange(500)}", "arguments": {"customer_id": who}}
        made |= {"request_id": f"req_{chance.getrandbits(64):016x}", "trace_id": f"{chance.getrandbits(128):032x}"}
        if number % 5 == 0:
            made |= {"target_kind": "resource", "target": f"customer://{who}"}
        yield made


def _sources() -> list[Path]:
    return [Path(__file__), Path(chain_module.__file__), *SUITE_REVISIONS.glob("*.py")]


@asynccontextmanager
async def _reader(urls: Urls) -> AsyncGenerator[Any]:
    connection = await connect(urls.reader, "bench")
    try:
        yield connection
    finally:
        await connection.close()
