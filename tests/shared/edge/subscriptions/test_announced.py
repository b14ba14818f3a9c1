"""What is changed outside of calls is heard as what calls change is: from a command, and from background work."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import httpx
import pytest
from structlog.testing import capture_logs

from shared.core.background import Background
from shared.state.announcements import announce
from shared.state.database import connect
from shared.workers import open_workers
from tests.conversation import Conversation
from tests.harness import Suite
from tests.listening import listening
from tests.shared.edge.subscriptions.shelf import served

pytestmark = pytest.mark.anyio

Make = Callable[..., Awaitable[Suite]]


async def ingest(suite: Suite, *uris: str) -> None:
    """As a command does that changes data, in its own process."""
    command = await connect(suite.urls.app, "test")
    try:
        async with command.transaction():
            await command.execute("SELECT set_config('app.tenant', 'acme', true)")
            await announce(command, "customers", "acme", uris)
    finally:
        await command.close()


@asynccontextmanager
async def following(replicas: list[Suite], at: int, *uris: str) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """A session whose stream is at one of the replicas: what it hears next."""
    async with httpx.AsyncClient(timeout=10) as http:
        client = Conversation(replicas, replicas[0].token("manager"), "customers", http)
        await client.initialize()
        for uri in uris:
            assert (await client.post(at, client.request("resources/subscribe", {"uri": uri}))).status_code == 200
        async with client.listening(at) as events:
            assert (await anext(events)).message is None

            async def hears() -> str:
                with anyio.fail_after(10):
                    message = (await anext(events)).message
                assert message is not None
                return message["params"]["uri"]

            yield hears


async def test_what_a_command_changed_is_heard_at_every_replica(replicas: list[Suite]) -> None:
    async with (
        following(replicas, 0, "thing://a", "thing://b") as here,
        following(replicas, 1, "thing://b") as there,
    ):
        await ingest(replicas[0], "thing://a", "thing://b")
        assert [await here(), await here(), await there()] == ["thing://a", "thing://b", "thing://b"]


async def test_what_a_command_changed_is_heard_without_redis(small: Suite) -> None:
    async with listening(small, ["thing://a"]) as one:
        await ingest(small, "thing://b", "thing://a")
        assert await one.hears() == "thing://a"


async def test_what_background_work_changed_is_heard(small: Suite) -> None:
    go = anyio.Event()

    async def work(background: Background) -> None:
        await go.wait()
        async with background.database.transaction("acme"):
            pass
        await background.changed("acme", ["thing://a"])
        await anyio.sleep_forever()

    async with (
        open_workers(small.parts, [replace(served, workers=(work,))]),
        listening(small, ["thing://a"]) as one,
    ):
        go.set()
        assert await one.hears() == "thing://a"


async def test_a_replica_that_only_reads_leaves_announcements_to_others(own_suite: Make) -> None:
    with capture_logs() as logs:
        reading = await own_suite(served=[served], read_only=True)
        await ingest(reading, "thing://a")
        await own_suite(reading.urls, served=[served])
        with anyio.fail_after(10):
            while await reading.sql("SELECT uri FROM suite.announcements"):
                await anyio.sleep(0.01)
    assert [line for line in logs if "worker" in line["event"]] == []
