"""Plays the tables of bad input, `hostile_edge.py` and `hostile_session_edge.py`, wherever a row can happen."""

import re
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from servers.customers.server import server
from shared.core.tool import Effect
from shared.state.embedded_redis import embedded_redis
from tests.e2e.hostile_amid import database_away
from tests.e2e.hostile_edge import EVERYWHERE, GET, TABLE, Row, cell, raw
from tests.e2e.hostile_session_edge import SESSIONS
from tests.e2e.hostile_world import Answer, Place, World, now, open_world
from tests.harness import ERAS, Databases
from tests.services import source

pytestmark = pytest.mark.anyio

PLAYED = [pytest.param(row, place, id=f"{row.name}-{place}") for row in [*TABLE, *SESSIONS] for place in row.on]
WRITES = {name for name, tool in server.tools.tools.items() if tool.effect is Effect.WRITE}
CHANGED = """SELECT id FROM customers.customers
    WHERE name = 'Hostile' OR (tenant_id = 'acme' AND id = 'C-000001' AND version > 1)"""
LEAKS = re.compile(
    r"Traceback|pydantic|asyncpg|psycopg|sqlalchemy|site-packages|\.py\b|postgres(ql)?://|secret|eyJ", re.IGNORECASE
)


@dataclass
class Worlds:
    """Opened when a row first asks for one; what was refused over stdio is counted until the processes end."""

    databases: Databases
    folder: Path
    stack: AsyncExitStack
    services: dict[str, str]
    opened: dict[str, World] = field(default_factory=dict[str, World])
    counted: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter[str]))

    async def get(self, name: str) -> World:
        if name not in self.opened:
            services = self.services if name == "tight" else {}
            world = open_world(name, self.databases, self.folder / name, **services)
            self.opened[name] = await self.stack.enter_async_context(world)
        return self.opened[name]


@pytest.fixture(scope="module")
async def worlds(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Worlds]:
    folder = tmp_path_factory.mktemp("hostile")
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(embedded_redis(folder / "redis", source=source()))
        yield Worlds(databases, folder, stack, {"redis_url": redis.url})


@pytest.mark.parametrize(("row", "place"), PLAYED)
async def test_the_edge_answers_and_records(worlds: Worlds, row: Row, place: Place) -> None:
    world = await worlds.get(row.world)
    store_is_away = row.amid.__name__.endswith("_away")
    session = await world.presents(place, row.sends)
    async with row.amid(world, place) as extra:
        begun = now()
        answer = await world.send(place, row.sends, extra, session)
        left = [] if store_is_away else await world.left(begun)
    if store_is_away:
        left = await world.left(begun)
    expected = cell(row.leaves, place)
    if place.transport == "stdio" and expected.startswith("counted "):
        worlds.counted[row.world][expected] += 1
        expected = "nothing"
    status = cell(row.status, place) if place.transport == "http" else 0
    assert (answer.code, answer.status) == (cell(row.code, place), status)
    assert cell(row.says, place) in answer.text
    assert not LEAKS.search(answer.text), answer.text
    assert_headers(world, row, place, answer)
    assert ", ".join(described(left)) == ("" if expected == "nothing" else expected)
    assert {(record["transport"], record["tenant"]) for record in calls(left)} <= {(place.transport, "acme")}
    if row.sends.params.get("name") in WRITES:
        assert await world.suite.sql(CHANGED) == []


def assert_headers(world: World, row: Row, place: Place, answer: Answer) -> None:
    if place.transport == "http":
        wanted = {name: cell(value, place) for name, value in row.headers.items()}
        filled = {name: value and value.format(metadata=world.metadata_url) for name, value in wanted.items()}
        assert {name: answer.headers.get(name) for name in filled} == filled
    assert ("mcp-session-id" in answer.headers) == row.opens


def calls(left: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in left if record["kind"] != "refusals"]


def described(left: list[dict[str, Any]]) -> list[str]:
    """Records as the table writes them."""
    told: list[str] = []
    for record in left:
        if record["kind"] == "refusals":
            told += [
                f"counted {one['server']}/{one['reason']}" for one in record["refusals"] for _ in range(one["count"])
            ]
        elif record.get("outcome") == "unaudited":
            told.append(f"unaudited {record['attempted'] or ''}".strip())
        else:
            told.append(f"{record['kind']} {record.get('outcome') or ''}".strip())
    return told


async def test_when_the_database_returns_everything_recovers_by_itself_and_tells_what_it_refused(
    worlds: Worlds,
) -> None:
    world = await worlds.get("open")
    ready = f"{world.suite.settings.base_url}/readyz"
    await world.session_of(GET.token)
    async with database_away(world, EVERYWHERE[0]):
        begun = now()
        answers = [await world.send(place, GET, {}) for place in EVERYWHERE]
        during = await world.http.get(ready)
    after = await world.http.get(ready)
    again = [await world.send(place, GET, {}) for place in EVERYWHERE]
    left = await world.left(begun)
    assert [answer.code for answer in answers] == ["unavailable"] * 4
    assert (during.status_code, during.json()["checks"]["database"]) == (503, "unavailable")
    assert after.status_code == 200
    assert [answer.code for answer in again] == ["ok"] * 4
    assert Counter(described(left)) == {"unaudited unavailable": 4, "call ok": 4}
    assert {(record["transport"], record["outcome"], record["spooled"]) for record in left if "spooled" in record} == {
        ("http", "unaudited", True),
        ("stdio", "unaudited", True),
    }
    assert (await world.suite.verify()).problems == []


async def test_what_was_refused_over_stdio_was_counted_and_every_chain_is_intact(worlds: Worlds) -> None:
    """The last test: counts over stdio are written when the processes end."""
    world = await worlds.get("open")
    await world.send(Place("stdio", "modern"), raw(b"no JSON"), {})
    worlds.counted["open"]["counted customers/malformed"] += 1
    for name, opened in worlds.opened.items():
        ended = [await opened.wires[era].hang_up(10) for era in ERAS if era in opened.wires]
        assert set(ended) <= {0}
        refused = [record for record in await opened.suite.records() if record["kind"] == "refusals"]
        over_stdio = [one for record in refused for one in record["refusals"] if one["source"] == "stdio"]
        assert Counter(described([{"kind": "refusals", "refusals": over_stdio}])) == worlds.counted[name]
        assert (await opened.suite.verify()).problems == []
        assert await opened.suite.sql(CHANGED) == []
