"""Replicas are killed at random while approved mails go out to a relay that sometimes takes one and hangs up.

Nothing is lost; what arrives twice had an attempt whose end nobody could know; the audit has each mail's end once.
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from compose.smtp.faults import End, Faults
from compose.smtp.sink import Sink, open_sink
from servers.mail.delivering.queueing import enqueue
from shared.core.settings import Settings
from shared.state.database import open_database
from tests.e2e.fleet import Drill, open_drill
from tests.servers.mail.delivering.outbox import new_mail

pytestmark = pytest.mark.anyio

LONG = bool(os.environ.get("SUITE_LONG"))
MAILS = 2000 if LONG else 200
KILLS_MOST = 1000 if LONG else 3
"""A replica takes seconds of a machine's whole strength to start."""
REPLICAS = 3
KILL_WITHIN_S = 1.5
SETTLED_S = 300.0
DROPS_TAKEN, DROPS_LOST = 0.05, 0.03
SLOW_S = 0.1
"""Of an answer: so that most kills come while mails are at the relay."""

DELIVERY: dict[str, Any] = {
    **{"smtp__host": "127.0.0.1", "smtp__security": "none", "smtp__connections": 2},
    **{"mail__lease_s": 2, "mail__retry_s": 0.3, "mail__poll_s": 0.1, "mail__breaker_failures": 1000},
}

TABLE = "SELECT id, message_id, state, unknowns FROM mail.mails"
UNKNOWN = """
SELECT mail_id, count(*) AS n FROM mail.attempts WHERE outcome IN ('unknown', 'worker_lost') GROUP BY mail_id
"""
RECORDED = "SELECT target, outcome, count(*) AS n FROM suite.audit WHERE target_kind = 'mail' GROUP BY 1, 2"


@dataclass
class Moody:
    """A relay's moods: by Message-ID what it does the next time."""

    draw: Random = field(default_factory=lambda: Random("moody"))

    def __call__(self, _message_id: str) -> End | None:
        drawn = self.draw.random()
        if drawn < DROPS_TAKEN:
            return "drop_accepted"
        return "drop_lost" if drawn < DROPS_TAKEN + DROPS_LOST else None


async def put(drill: Drill, mails: int) -> None:
    settings = Settings(pool_min=1, pool_max=1)
    new = [new_mail(f"c{n}@example.com", approval_id=f"A-{n}") for n in range(mails)]
    async with open_database(drill.urls.app, settings) as database:
        for start in range(0, mails, 500):
            async with database.transaction("acme") as transaction:
                await enqueue(transaction, new[start : start + 500])


async def kill_at_random(drill: Drill, ended: anyio.Event) -> int:
    """Kill one amid its work, again and again until all mails are settled; how many were killed.

    Those killed are started again meanwhile; one is always left to work.
    """
    draw, killed, ready = Random("killer"), 0, set(range(1, REPLICAS + 1))

    async def start(number: int) -> None:
        await drill.start(number, "mail")
        ready.add(number)

    async with anyio.create_task_group() as starting:
        while not ended.is_set():
            with anyio.move_on_after(draw.uniform(0, KILL_WITHIN_S)):
                await ended.wait()
            if not ended.is_set() and len(ready) > 1 and killed < KILLS_MOST:
                number = draw.choice(sorted(ready))
                ready.discard(number)
                await drill.kill(number, "mail")
                killed += 1
                starting.start_soon(start, number)
    return killed


async def settled(drill: Drill) -> bool:
    [row] = await drill.sql("SELECT count(*) AS n FROM mail.queue")
    return row["n"] == 0


async def test_mails_survive_kills_and_a_relay_that_hangs_up(tmp_path: Path, show: Callable[..., None]) -> None:
    sink = Sink(most=10 * MAILS, faults=Faults(ends=Moody(), wait_s=SLOW_S))
    ended, killed = anyio.Event(), 0
    async with open_sink(sink), open_drill(tmp_path, names=("mail",), smtp__port=sink.port, **DELIVERY) as drill:

        async def kill() -> None:
            nonlocal killed
            killed = await kill_at_random(drill, ended)

        await put(drill, MAILS)
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kill)
            with anyio.fail_after(SETTLED_S):
                while not await settled(drill):
                    await anyio.sleep(0.1)
            ended.set()
        took = time.monotonic() - began
        mails = await drill.sql(TABLE)
        unknown: Counter[str] = Counter({row["mail_id"]: row["n"] for row in await drill.sql(UNKNOWN)})
        recorded = {(row["target"], row["outcome"]): row["n"] for row in await drill.sql(RECORDED)}
        report = await drill.verify()

    arrived = Counter(mail.message_id for mail in sink.mails)
    twice = {row["id"]: arrived[row["message_id"]] - 1 for row in mails if arrived[row["message_id"]] > 1}
    show(
        f"{len(mails)} mails in {took:.0f} s amid {killed} kills of {REPLICAS} replicas; arrived: {arrived.total()}; "
        f"twice or more: {len(twice)}, all of them after an attempt whose end is unknown",
        f"attempts whose end is unknown: {unknown.total()} of {len(unknown)} mails; "
        f"the relay hung up on {sum(not mail.answered for mail in sink.mails)} mails that it had taken",
    )
    assert killed > 0
    assert Counter(row["state"] for row in mails) == {"sent": MAILS}
    assert [row["id"] for row in mails if not arrived[row["message_id"]]] == [], "lost"
    assert {mail: copies for mail, copies in twice.items() if copies > unknown[mail]} == {}
    assert {row["id"]: recorded.get((row["id"], "sent")) for row in mails} == dict.fromkeys(ids(mails), 1)
    assert {row["id"]: recorded.get((row["id"], "queued")) for row in mails} == dict.fromkeys(ids(mails), 1)
    assert report.problems == []


def ids(mails: list[Any]) -> list[str]:
    return [row["id"] for row in mails]
