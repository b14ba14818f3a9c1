"""How late events are, from the moment the server says them to the client behind balancer and TLS."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles

import anyio
import pytest

from tests.conversation import Conversation, Said
from tests.e2e.balanced.talk import ANY, number_of, talking
from tests.e2e.fleet import Drill
from tests.harness import MODERN, modern, modern_headers

pytestmark = pytest.mark.anyio

EVENTS = 200
PAUSE_S = 0.005
STAMP = {"to": EVENTS, "pause_s": PAUSE_S}
NOTICES = 50
HELD_UP_MS = 250
"""A balancer that buffers holds events until the answer is over, which takes a second; a busy machine does not."""


@dataclass(frozen=True)
class Lag:
    """Milliseconds."""

    p50: float
    p99: float

    def __str__(self) -> str:
        return f"p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms"


def lag_of(found_ns: Sequence[int]) -> Lag:
    cuts = quantiles([each / 1e6 for each in found_ns], n=100)
    return Lag(cuts[49], cuts[98])


async def lags(events: AsyncIterator[Said]) -> list[int]:
    """Of each message that says when it left."""
    found = [
        time.time_ns() - int(said.message["params"]["message"].split()[-1])
        async for said in events
        if said.message is not None and "params" in said.message
    ]
    assert len(found) == EVENTS
    return found


async def of_progress(client: Conversation) -> Lag:
    async with client.streaming(ANY, client.tool("stamp", progress=True, **STAMP)) as events:
        return lag_of(await lags(events))


async def of_modern_progress(client: Conversation) -> Lag:
    params = {"name": "stamp", "arguments": STAMP}
    message = modern("tools/call", params)
    message["params"]["_meta"]["progressToken"] = "lag"
    client.session, client.extra = None, {**client.extra, **modern_headers("tools/call", params)}
    async with client.streaming(ANY, message) as events:
        return lag_of(await lags(events))


async def of_notices(client: Conversation) -> Lag:
    """From the answer to a write until its notice, which came by way of another replica; some notices are first."""
    await _put(client, 0)
    await client.post(ANY, client.request("resources/subscribe", {"uri": "drill://things/lag"}))
    written: list[int] = []
    told: list[int] = []

    async def hear() -> None:
        while len(told) < NOTICES:
            assert (await anext(events)).message is not None
            told.append(time.time_ns())

    async with client.listening(ANY) as events:
        await anext(events)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hear)
            for number in range(1, NOTICES + 1):
                await _put(client, number)
                written.append(time.time_ns())
                while len(told) < number:
                    await anyio.sleep(0.001)
    return lag_of([late - early for early, late in zip(written, told, strict=True)])


async def _put(client: Conversation, number: int) -> None:
    new = {"id": "lag", "value": str(number)}
    assert await client.call(ANY, "put", **new, idempotency_key=f"event-lag-{number}") == new


async def test_events_are_not_held_up_on_their_way_through_the_balancer(
    drill: Drill, show: Callable[..., None]
) -> None:
    found: dict[str, Lag] = {}
    async with talking(drill) as talk:
        with anyio.fail_after(60):
            await talk.client.initialize()
            found["2025-11-25, kept for resuming"] = await of_progress(talk.client)
            replica = drill.replica(number_of(talk.last.replica), "drill")
            through = talk.client.replicas
            talk.client.replicas = f"http://127.0.0.1:{replica.port}/drill/mcp"
            talk.client.extra = {"Host": drill.fleet.plan.base_url.partition("://")[2]}
            found["the same, past the balancer"] = await of_progress(talk.client)
            talk.client.replicas, talk.client.extra = through, {}
            found["of notices after the answer to the write"] = await of_notices(talk.client)
            found[MODERN] = await of_modern_progress(talk.client)
    show(*(f"event lag, {name}: {lag}" for name, lag in found.items()))
    assert {name: lag for name, lag in found.items() if lag.p50 > HELD_UP_MS} == {}
