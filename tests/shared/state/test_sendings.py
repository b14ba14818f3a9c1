"""The records of writes to other systems: who may send, and what is never sent again."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import anyio
import asyncpg
import pytest

from shared.core.settings import Settings
from shared.state.database import Database, connect, open_database
from shared.state.roles import Urls
from shared.state.sendings import Sendings, State, purge
from tests.harness import Databases
from tests.pgbouncer import pooled

pytestmark = pytest.mark.anyio


@dataclass
class Kept:
    urls: Urls
    database: Database

    def of(self, tenant: str = "acme") -> Sendings:
        return Sendings(self.database, tenant, "jira", "tickets")


@pytest.fixture(scope="module")
async def kept(databases: Databases) -> AsyncGenerator[Kept]:
    urls = await databases.fresh()
    async with open_database(urls.app, Settings(**pooled(urls), pool_min=2, pool_max=8)) as database:
        yield Kept(urls, database)


async def begin(sendings: Sendings, marker: str, digest: bytes = b"1") -> bool:
    return await sendings.begin(marker, digest, "create_ticket", "create", "")


async def test_of_many_at_once_one_may_send(kept: Kept) -> None:
    may: list[bool] = []

    async def ask() -> None:
        may.append(await begin(kept.of(), "many"))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(ask)
    assert sorted(may) == [False] * 7 + [True]


@pytest.mark.parametrize(
    ("state", "again"), [("sending", False), ("unknown", False), ("done", False), ("lost", False), ("refused", True)]
)
async def test_only_what_was_refused_may_be_sent_again(kept: Kept, state: State, again: bool) -> None:
    sendings = kept.of()
    assert await begin(sendings, f"again {state}")
    if state != "sending":
        assert await sendings.settle(f"again {state}", state, "SUP-1" if state == "done" else None)
    assert await begin(sendings, f"again {state}", b"2") == again
    found = await sendings.find([f"again {state}"])
    assert found is not None
    assert found.digest == (b"2" if again else b"1")


@pytest.mark.parametrize("first", ["done", "lost", "refused"])
async def test_what_is_settled_stays_as_it_is(kept: Kept, first: State) -> None:
    sendings = kept.of()
    await begin(sendings, f"stays {first}")
    assert await sendings.settle(f"stays {first}", first, "SUP-1" if first == "done" else None)
    assert not await sendings.settle(f"stays {first}", "done" if first != "done" else "lost", None)
    found = await sendings.find([f"stays {first}"])
    assert found is not None
    assert found.state == first


async def test_one_tenant_neither_sees_nor_settles_anothers(kept: Kept) -> None:
    await begin(kept.of("acme"), "theirs")
    assert await kept.of("globex").find(["theirs"]) is None
    assert not await kept.of("globex").settle("theirs", "done", "X-1")
    assert await kept.of("globex").left(0, 10) == []
    assert await begin(kept.of("globex"), "theirs"), "the same marker of another tenant is another one"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with kept.database.transaction("globex") as transaction:
            await transaction.connection.execute(
                "INSERT INTO suite.sendings (tenant_id, marker, digest, upstream, server, tool, step, target, state) "
                "VALUES ('acme', 'forged', '', 'jira', 'tickets', 't', 's', '', 'sending')"
            )


async def test_what_is_unsettled_is_kept_however_old_it_is(kept: Kept) -> None:
    sendings = kept.of("initech")
    for marker in ("old unsettled", "old settled", "new settled"):
        await begin(sendings, marker)
    await sendings.settle("old settled", "lost")
    await sendings.settle("new settled", "lost")
    owner = await connect(kept.urls.owner, "test")
    try:
        # Row-level security binds the owner too; a test makes time pass.
        await owner.execute("ALTER TABLE suite.sendings NO FORCE ROW LEVEL SECURITY")
        old = "now() - interval '31 days'"
        await owner.execute(f"UPDATE suite.sendings SET sent_at = {old} WHERE marker LIKE 'old%'")
        await owner.execute(f"UPDATE suite.sendings SET settled_at = {old} WHERE marker = 'old settled'")
        await owner.execute("ALTER TABLE suite.sendings FORCE ROW LEVEL SECURITY")
    finally:
        await owner.close()
    assert await purge(kept.database) == 1
    assert await sendings.find(["old settled"]) is None
    assert [each.marker for each in await sendings.left(60, 10)] == ["old unsettled"]
