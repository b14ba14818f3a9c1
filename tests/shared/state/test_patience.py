"""A process that starts before PostgreSQL, or before its tables, waits for them: so long, and not longer."""

import anyio
import pytest
import structlog

from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.state.database import open_database
from shared.state.patience import patiently
from tests.harness import Databases
from tests.pgbouncer import pooled
from tests.processes import free_port

pytestmark = pytest.mark.anyio


async def test_what_comes_later_is_waited_for_and_each_failure_is_logged() -> None:
    asked: list[int] = []

    async def ask() -> str:
        asked.append(1)
        if len(asked) < 3:
            raise Unavailable("not yet")
        return "there"

    with structlog.testing.capture_logs() as lines:
        assert await patiently(ask, "PostgreSQL", 10, Unavailable) == "there"
    told = [(line["log_level"], line["what"], line["why"], line["again_in_s"]) for line in lines]
    assert told == [("warning", "PostgreSQL", "not yet", 0.25), ("warning", "PostgreSQL", "not yet", 0.5)]


async def test_what_is_no_matter_of_time_is_raised_at_once() -> None:
    asked: list[int] = []

    async def ask() -> None:
        asked.append(1)
        raise Misconfigured("wrong for good")

    with pytest.raises(Misconfigured):
        await patiently(ask, "PostgreSQL", 10, Unavailable)
    assert len(asked) == 1


async def test_a_pool_is_opened_once_postgresql_is_there(databases: Databases) -> None:
    urls = await databases.fresh()
    settings = Settings(**pooled(urls), pool_min=1, start_wait_s=20)
    real = urls.app.rpartition("@")[2].partition("/")[0]
    host, _, port = real.rpartition(":")
    door = free_port()

    async def pass_on(client: anyio.abc.SocketStream) -> None:
        server = await anyio.connect_tcp(host, int(port))

        async def pump(source: anyio.abc.SocketStream, sink: anyio.abc.SocketStream) -> None:
            try:
                async for data in source:
                    await sink.send(data)
                await sink.send_eof()
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
                await sink.aclose()

        async with client, server, anyio.create_task_group() as both:
            both.start_soon(pump, client, server)
            both.start_soon(pump, server, client)

    with structlog.testing.capture_logs() as lines:
        async with anyio.create_task_group() as tasks:

            async def later() -> None:
                while not lines:
                    await anyio.sleep(0.01)
                async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=door) as listener:
                    await listener.serve(pass_on)

            tasks.start_soon(later)
            async with open_database(urls.app.replace(real, f"127.0.0.1:{door}"), settings) as database:
                await database.check()
            tasks.cancel_scope.cancel()
    assert {line["what"] for line in lines} == {"PostgreSQL"}


@pytest.mark.parametrize(("profile", "waits"), [("laptop", 0), ("fleet", 30)])
def test_a_fleet_waits_and_a_laptop_does_not(profile: str, waits: float) -> None:
    settings = Settings().model_copy(update={"profile": profile})
    assert settings.patience_s == waits


async def test_a_name_that_nobody_knows_yet_is_no_crash() -> None:
    with pytest.raises(Unavailable):
        async with open_database("postgresql://suite_app:x@postgres.invalid:5432/suite", Settings(pool_min=1)):
            pass
