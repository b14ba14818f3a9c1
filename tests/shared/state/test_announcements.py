"""Announcements: none is lost, whoever dies; nobody sees another's; they are told promptly and by whom they concern."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import anyio
import asyncpg
import pytest
from structlog.testing import capture_logs

from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.state import announcements as announcements_module
from shared.state.announcements import CHANNEL, Announcements, announce
from shared.state.database import Database, connect, open_database
from shared.state.local_bus import LocalBus
from shared.state.notices import NOW, Following
from shared.state.roles import Urls
from shared.state.switch_watch import open_switches
from tests.harness import Databases

pytestmark = pytest.mark.anyio

Told = tuple[str, str, tuple[str, ...]]


@dataclass
class Heard:
    """Notices of which it is known what was told; `before` a delivery returns something else may happen."""

    told: list[Told] = field(default_factory=list[Told])
    before: Callable[[Told], Awaitable[None]] | None = None

    async def publish(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        pytest.fail("what is published cannot be told again")

    async def deliver(self, server: str, tenant: str, uris: Sequence[str]) -> None:
        telling = (server, tenant, tuple(uris))
        self.told.append(telling)
        if self.before is not None:
            await self.before(telling)

    def following(self, server: str, tenant: str, after: str = NOW) -> AbstractAsyncContextManager[Following]:
        raise NotImplementedError

    @property
    def uris(self) -> list[str]:
        return [uri for _, _, uris in self.told for uri in uris]


@dataclass
class Desk:
    """A command's database beside what serves."""

    urls: Urls
    admin_url: str
    database: Database

    async def announce(self, *uris: str, server: str = "shelf", tenant: str = "acme") -> None:
        async with self.database.transaction(tenant) as transaction:
            await announce(transaction.connection, server, tenant, uris)

    async def left(self) -> list[str]:
        return [row["uri"] for row in await self.sql("SELECT uri FROM suite.announcements ORDER BY id")]

    async def all_told(self) -> None:
        """Wait until nothing is left, and whoever told it is at rest."""
        with anyio.fail_after(10):
            while await self.left():
                await asyncio.sleep(0.005)
        await anyio.wait_all_tasks_blocked()

    async def sql(self, statement: str) -> Any:
        admin = await connect(urlsplit(self.admin_url)._replace(path=urlsplit(self.urls.app).path).geturl(), "test")
        try:
            return await admin.fetch(statement)
        finally:
            await admin.close()

    async def cut(self, which: str) -> None:
        """Cut connections of this database off."""
        mine = "pid <> pg_backend_pid() AND datname = current_database()"
        await self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine} AND {which}")

    def by(self, heard: Heard) -> Announcements:
        return Announcements(self.database, heard)


@pytest.fixture
async def desk(databases: Databases) -> AsyncGenerator[Desk]:
    urls = await databases.fresh()
    async with open_database(urls.app, Settings(pool_min=1, pool_max=10)) as database:
        yield Desk(urls, databases.admin_url, database)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(announcements: Announcements, *servers: str) -> AsyncGenerator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(announcements.run, servers or ("shelf",))
        yield
        tasks.cancel_scope.cancel()


async def test_what_was_announced_is_told_once_in_order_to_those_it_concerns(desk: Desk) -> None:
    await desk.announce("shelf://b", "shelf://a", "shelf://b")
    await desk.announce("shelf://c", tenant="globex")
    await desk.announce("shelf://a", "shelf://d")
    await desk.announce()
    heard = Heard()
    assert [await desk.by(heard).publish(["shelf"]) for _ in range(2)] == [6, 0]
    assert heard.told == [
        ("shelf", "acme", ("shelf://b", "shelf://a", "shelf://d")),
        ("shelf", "globex", ("shelf://c",)),
    ]
    assert await desk.left() == []


async def test_a_change_that_is_rolled_back_is_not_announced(desk: Desk) -> None:
    async with desk.database.transaction("acme") as transaction:
        await announce(transaction.connection, "shelf", "acme", ["shelf://a"])
        transaction.discard()
    assert await desk.left() == []


async def test_a_process_tells_only_of_what_it_serves(desk: Desk) -> None:
    await desk.announce("other://a", server="other")
    await desk.announce("shelf://a")
    heard = Heard()
    assert await desk.by(heard).publish(["shelf", "mail"]) == 1
    assert await desk.left() == ["other://a"]


async def test_many_who_publish_at_once_share_the_work(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcements_module, "_BATCH", 7)
    for number in range(10):
        await desk.announce(*(f"shelf://{number}-{each}" for each in range(20)))
    heard = [Heard() for _ in range(4)]

    async def publish(mine: Heard) -> None:
        while await desk.by(mine).publish(["shelf"]):
            pass

    async with anyio.create_task_group() as tasks:
        for each in heard:
            tasks.start_soon(publish, each)
    told = Counter(uri for each in heard for uri in each.uris)
    assert (len(told), set(told.values())) == (200, {1})
    assert await desk.left() == []


_DYING = """
import asyncio, os

from shared.core.settings import Settings
from shared.state.announcements import Announcements
from shared.state.database import open_database


class Notices:
    async def deliver(self, server, tenant, uris):
        print(*uris, flush=True)
        await asyncio.sleep(60)


async def main():
    async with open_database(os.environ["URL"], Settings(pool_min=1, pool_max=1)) as database:
        await Announcements(database, Notices()).publish(["shelf"])


asyncio.run(main())
"""


async def test_what_a_replica_held_that_was_killed_is_told_by_another(desk: Desk) -> None:
    await desk.announce("shelf://a", "shelf://b")
    heard = Heard()
    with subprocess.Popen(  # noqa: ASYNC220 - starting is quick
        [sys.executable, "-c", _DYING], env={**os.environ, "URL": desk.urls.app}, stdout=subprocess.PIPE
    ) as dying:
        assert dying.stdout is not None
        try:
            assert await asyncio.to_thread(dying.stdout.readline) == b"shelf://a shelf://b\n"
            assert await desk.by(heard).publish(["shelf"]) == 0, "it is held"
        finally:
            dying.kill()
    with anyio.fail_after(10):
        while not await desk.by(heard).publish(["shelf"]):
            await asyncio.sleep(0.01)
    assert heard.uris == ["shelf://a", "shelf://b"]
    assert await desk.left() == []


@pytest.mark.parametrize("how", ["cancelled", "crashed", "disconnected"])
async def test_what_was_told_and_not_deleted_is_told_again(desk: Desk, how: str) -> None:
    await desk.announce("shelf://a")

    async def end(_telling: Told) -> None:
        if how == "crashed":
            raise ValueError(how)
        if how == "disconnected":
            await desk.cut("state = 'idle in transaction'")
            return
        scope.cancel()
        await anyio.sleep(60)

    heard = Heard(before=end)
    scope = anyio.CancelScope()
    expected = {"crashed": ValueError, "disconnected": Unavailable}
    with scope:
        if how in expected:
            with pytest.raises(expected[how]):
                await desk.by(heard).publish(["shelf"])
        else:
            await desk.by(heard).publish(["shelf"])
    assert await desk.left() == ["shelf://a"]
    heard.before = None
    assert await desk.by(heard).publish(["shelf"]) == 1
    assert heard.uris == ["shelf://a"] * 2
    assert await desk.left() == []


async def test_what_cannot_be_told_now_waits_and_what_was_told_before_is_done(desk: Desk) -> None:
    for tenant in ("acme", "globex", "initech"):
        await desk.announce(f"shelf://{tenant}", tenant=tenant)

    async def away(telling: Told) -> None:
        if telling[1] == "globex":
            raise Unavailable("away")

    heard = Heard(before=away)
    assert [await desk.by(heard).publish(["shelf"]) for _ in range(2)] == [1, 0]
    assert await desk.left() == ["shelf://globex", "shelf://initech"]
    heard.before = None
    assert await desk.by(heard).publish(["shelf"]) == 2


async def test_word_of_another_tenants_resources_is_refused_and_none_can_be_read_by_whoever_calls(desk: Desk) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with desk.database.transaction("globex") as transaction:
            await announce(transaction.connection, "shelf", "acme", ["shelf://a"])
    await desk.announce("shelf://secret")
    seen = "SELECT count(*) FROM suite.announcements"
    for tenant in ("acme", "globex", ""):
        async with desk.database.transaction(tenant) as transaction:
            connection = transaction.connection
            assert await connection.fetchval(seen) == 0
            assert await connection.execute("DELETE FROM suite.announcements") == "DELETE 0"
    async with desk.database.connection() as connection:
        assert await connection.fetchval(seen) == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await announce(connection, "shelf", "acme", ["shelf://a"])
    assert await desk.left() == ["shelf://secret"]


async def test_a_publisher_can_change_nothing_and_other_roles_see_nothing(desk: Desk) -> None:
    await desk.announce("shelf://secret")
    for statement in (
        "UPDATE suite.announcements SET tenant = 'globex'",
        "UPDATE suite.announcements SET id = DEFAULT",
        "INSERT INTO suite.announcements (server, tenant, uri) VALUES ('shelf', 'globex', 'shelf://x')",
        "TRUNCATE suite.announcements",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _as_publisher(desk, statement)
    for url in (desk.urls.reader, desk.urls.operator):
        connection = await connect(url, "test")
        for statement in ("SELECT 1 FROM suite.announcements", "SELECT suite.announce('s', 'acme', '{u}')"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()
    owner = await connect(desk.urls.owner, "test")
    assert await owner.fetchval("SELECT count(*) FROM suite.announcements") == 0
    async with owner.transaction():
        await owner.execute("SELECT set_config('app.tenant', 'globex', true)")
        await announce(owner, "shelf", "globex", ["shelf://seeded"])
    await owner.close()
    assert await desk.left() == ["shelf://secret", "shelf://seeded"]


async def _as_publisher(desk: Desk, statement: str) -> None:
    async with desk.database.transaction("acme") as transaction:
        await transaction.connection.execute("SELECT set_config('app.publishing', 'announcements', true)")
        await transaction.connection.execute(statement)


@pytest.mark.parametrize("lost", [False, True])
async def test_a_replica_is_woken_by_the_database_also_after_its_connection_was_lost(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    monkeypatch.setattr(announcements_module, "_LOOK_S", 3600)
    heard = Heard()
    announcements = desk.by(heard)
    settings = Settings(switch_poll_s=0.05)
    async with (
        open_switches(desk.database, desk.urls.app, LocalBus(), settings, {CHANNEL: announcements.wake}),
        running(announcements),
    ):
        await desk.announce("shelf://a")
        await until(lambda: heard.uris == ["shelf://a"])
        await desk.all_told()
        if lost:
            await desk.cut("application_name = 'mcp-suite switches'")
        await desk.announce("shelf://b")
        await until(lambda: heard.uris == ["shelf://a", "shelf://b"])


async def test_a_replica_also_looks_by_itself_and_waits_out_an_outage(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements_module, "_LOOK_S", 0.02)
    heard = Heard()
    await desk.announce("shelf://before")
    name = urlsplit(desk.urls.app).path[1:]
    admin = await connect(desk.admin_url, "test")
    with capture_logs() as logs:
        async with running(desk.by(heard)):
            await desk.all_told()
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
            await until(lambda: bool(logs))
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            await desk.sql(
                "INSERT INTO suite.announcements (server, tenant, uri) VALUES ('shelf', 'acme', 'shelf://b')"
            )
            await until(lambda: heard.uris == ["shelf://before", "shelf://b"])
    assert logs[0]["event"] == "announcements wait for the database"
    await admin.close()


async def test_a_process_does_not_start_on_a_database_that_lacks_the_newest_table(desk: Desk) -> None:
    await desk.sql("DROP TABLE suite.release")
    with pytest.raises(Misconfigured, match="db migrate"):
        await desk.database.require_tables()
