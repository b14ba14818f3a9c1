"""docs/capacity.md: what it says that things take is what they take here, at one volume and at five times it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
import redis

from shared.core.settings import Settings
from shared.state.database import connect
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.keys import KeyRing
from shared.state.redis import open_redis
from shared.state.redis_sessions import RedisSessions
from shared.state.sessions import Session
from shared.steps.audit.chain import Head, link
from shared.steps.audit.writer import INSERT
from tests.docs.fences import ROOT
from tests.docs.talks import rows
from tests.harness import Databases, Suite
from tests.processes import process

pytestmark = pytest.mark.anyio

PAGE = (ROOT / "docs" / "capacity.md").read_text("utf-8")
SMALL = int(os.environ.get("SUITE_TEST_AUDIT_RECORDS", "2000"))
TIMES = 5
RING = KeyRing([b"c" * 32])
WITHIN = 0.25
"""Machines and versions differ by some percent; a page that is off by more is wrong."""


def told(what: str) -> float:
    """The number of the row that begins so."""
    for row in rows(PAGE, "## What things take"):
        if row[0].startswith(what):
            return float(re.sub(r"[^\d.]", "", row[1].split()[0]))
    raise AssertionError(what)


@dataclass(frozen=True)
class Sizes:
    table: float
    indexes: float

    @property
    def all(self) -> float:
        return self.table + self.indexes


async def some_records(suite: Suite) -> list[dict[str, Any]]:
    """One of each kind of call that is made often: two reads, a search, a list, and a write with its two records."""
    one = {"customer_id": "C-000042"}
    await suite.call("manager", "get_customer", one)
    await suite.call("support", "get_customers", {"customer_ids": ["C-000001", "C-000002"]})
    await suite.call("support", "search_customers", {"query": "an"})
    await suite.call("support", "list_customer_orders", one)
    await suite.call("manager", "add_customer_note", {**one, "text": "Called back.", "idempotency_key": "note-0001"})
    found = await suite.records(limit=20)
    assert {record["kind"] for record in found} >= {"call", "intent", "outcome"}
    return [record for record in found if record["kind"] in {"call", "intent", "outcome"}]


async def grown(connection: Any, samples: list[dict[str, Any]], head: Head, number: int) -> Head:
    """So many more records, each with ids, a time and a customer of its own; as the writer makes them."""
    for start in range(0, number, 1000):
        made: list[Any] = []
        for at in range(start, min(start + 1000, number)):
            seq = head.seq + 1
            sample = orjson.dumps(samples[at % len(samples)])
            record = orjson.loads(sample.replace(b"C-000042", f"C-{seq:06d}".encode()))
            record |= {"id": str(uuid4()), "request_id": f"req_{uuid4().hex[:16]}", "subject": f"user-{seq % 500}"}
            record |= {"intent": str(uuid4())} if record["intent"] else {}
            row, head = link(head, record, RING)
            made.append(row)
        await connection.execute(INSERT, *map(list, zip(*made, strict=True)))
    return head


async def sizes(connection: Any, records: int) -> Sizes:
    row = await connection.fetchrow(
        "SELECT pg_table_size('suite.audit') AS t, pg_indexes_size('suite.audit') AS i FROM suite.audit LIMIT 1"
    )
    return Sizes(row["t"] / records, row["i"] / records)


async def test_an_audit_record_takes_what_the_page_says_at_five_times_the_volume_too(
    suite: Suite, databases: Databases
) -> None:
    samples = await some_records(suite)
    urls = await databases.fresh()
    connection = await connect(urls.app, "test")
    owner = await connect(urls.owner, "test")
    try:
        await connection.execute("INSERT INTO suite.audit_chain (chain) VALUES ($1)", chain := uuid4())
        head = await grown(connection, samples, Head(chain), SMALL)
        first = await sizes(owner, SMALL)
        await grown(connection, samples, head, SMALL * (TIMES - 1))
        then = await sizes(owner, SMALL * TIMES)
    finally:
        await connection.close()
        await owner.close()
    print(f"{SMALL} records: {first}; {SMALL * TIMES}: {then}")  # noqa: T201 - for whoever writes the page
    assert then.all == pytest.approx(told("an audit record"), rel=WITHIN)
    assert then.all == pytest.approx(first.all, rel=WITHIN)


def redis_at(url: str) -> Any:
    return redis.Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType] - redis-py does not type its options


async def test_a_session_takes_what_the_page_says(redis_server: EmbeddedRedis) -> None:
    number = 500
    hello: Mapping[str, Any] = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "cursor"}}
    settings = Settings(redis_url=redis_server.url)  # pyright: ignore[reportArgumentType]
    tenant = f"t{uuid4().hex[:8]}"
    with redis_at(redis_server.url) as admin:
        async with open_redis(redis_server.url, settings) as client:
            sessions = RedisSessions(client, settings, RING)
            for at in range(number):
                who = (tenant, f"https://login.example.com/{tenant}", f"user-{at}@example.com", "cursor")
                session = Session(uuid4().hex, *who, "2025-11-25", dict(hello), float(at + 4_000_000_000))
                await sessions.open(session, most=10, replace=True)
        keys = list(admin.scan_iter(f"suite:{{{tenant}}}*"))
        # Each key by itself: what the server takes as a whole depends on what others leave and take there.
        each = sum(admin.memory_usage(key) for key in keys) / number
        admin.delete(*keys)
    print(f"a session: {each:.0f} bytes")  # noqa: T201 - as above
    assert each == pytest.approx(told("a session of the 2025 era"), rel=0.4)


@pytest.mark.skipif("SUITE_LONG" not in os.environ, reason="starts a process: SUITE_LONG=1")
async def test_a_process_takes_what_the_page_says(databases: Databases, tmp_path: Path) -> None:
    async with process(await databases.fresh(), tmp_path) as replica:
        await replica.start()
        assert replica.running is not None
        resident = memory_mb(replica.running.pid)
    print(f"a process: {resident:.0f} MB")  # noqa: T201 - as above
    assert resident == pytest.approx(told("a replica of one server"), rel=WITHIN)


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("there is no /proc to read its memory from")
    return int(re.findall(r"VmRSS:\s+(\d+)", status.read_text())[0]) / 1024
