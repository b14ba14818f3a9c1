"""A stop counts only once its record is durable, and what became of it is never guessed."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.core.errors import NotFound, OutcomeUnknown, Unavailable
from shared.state import switch_table
from shared.state.database import connect
from shared.state.local_bus import LocalBus
from shared.state.switch_table import TOPIC
from shared.steps.stopping import Stopping, What
from tests.harness import Databases

pytestmark = pytest.mark.anyio

ACME = What("tenant", tenant="acme")


@dataclass
class Sink:
    """Keeps records; `meanwhile` happens before one is durable."""

    records: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def write(self, record: dict[str, Any]) -> None:
        if self.meanwhile is not None:
            await self.meanwhile()
        self.records.append(record)


@dataclass
class World:
    stopping: Stopping
    sink: Sink
    bus: LocalBus
    other: Any
    """What a replica would read over."""

    async def off(self) -> list[str | None]:
        return [one.tenant for one in (await switch_table.load(self.other))[1]]


@pytest.fixture
async def world(databases: Databases) -> AsyncGenerator[World]:
    urls = await databases.fresh()
    connection, other = await connect(urls.operator, "test"), await connect(urls.app, "test")
    sink, bus = Sink(), LocalBus()
    yield World(Stopping(connection, sink, bus, "ops"), sink, bus, other)
    for one in (connection, other):
        one.terminate()


async def test_nothing_is_off_or_on_again_before_its_record_is_durable(world: World) -> None:
    seen: list[list[str | None]] = []

    async def look() -> None:
        seen.append(await world.off())

    world.sink.meanwhile = look
    switch, changed = await world.stopping.stop(ACME, "a leak")
    assert (changed, await world.off()) == (True, ["acme"])
    await world.stopping.resume(switch.id, "mended")
    assert await world.off() == []
    assert seen == [[], ["acme"]]
    assert [(record["target"], record["outcome"]) for record in world.sink.records] == [
        ("stop", "ok"),
        ("resume", "ok"),
    ]


async def test_what_cannot_be_recorded_does_not_happen(world: World) -> None:
    switch, _ = await world.stopping.stop(ACME, "a leak")

    async def fail() -> None:
        raise Unavailable("The audit store cannot be reached.")

    world.sink.meanwhile = fail
    with pytest.raises(Unavailable):
        await world.stopping.stop(What("tenant", tenant="globex"), "a leak")
    with pytest.raises(Unavailable):
        await world.stopping.resume(switch.id, "mended")
    assert await world.off() == ["acme"]


async def test_replicas_are_told_once_it_counts(world: World) -> None:
    async with world.bus.listening(TOPIC) as inbox:
        world.sink.meanwhile = lambda: _nothing_said(inbox)
        await world.stopping.stop(ACME, "a leak")
        assert await inbox.next(1) == b""
        with pytest.raises(NotFound):
            await world.stopping.resume(99, "mended")
        assert await inbox.next(0.01) is None
        await world.stopping.stop(ACME, "a leak")
        assert await inbox.next(1) == b"", "whoever missed the first word hears the second"
    assert len(world.sink.records) == 1


async def _nothing_said(inbox: Any) -> None:
    assert await inbox.next(0) is None


async def test_a_connection_lost_before_the_record_means_that_nothing_was_done(world: World) -> None:
    world.stopping.connection.terminate()
    with pytest.raises(Unavailable, match="nothing was changed"):
        await world.stopping.stop(ACME, "a leak")
    assert (world.sink.records, await world.off()) == ([], [])


async def test_a_connection_lost_after_the_record_is_recorded_too_and_said(world: World) -> None:
    async def cut() -> None:
        world.stopping.connection.terminate()

    world.sink.meanwhile = cut
    with pytest.raises(OutcomeUnknown, match="mcp-suite stops"):
        await world.stopping.stop(ACME, "a leak")
    assert [record["outcome"] for record in world.sink.records] == ["ok", "outcome_unknown"]
    assert len({record["id"] for record in world.sink.records}) == 2


async def test_a_reason_is_kept_without_what_nobody_may_read_in_the_audit(world: World) -> None:
    await world.stopping.stop(What("user", name="ann", tenant="acme"), "she paid with 4111 1111 1111 1111")
    (record,) = world.sink.records
    assert (record["reason"], record["subject"], record["actor"]) == ("she paid with [card]", "ann", "ops")
