"""What an ingest changes is heard and read behind every replica, by clients of both eras, and nothing else is."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import httpx
import pytest

from shared.state.embedded_redis import EmbeddedRedis
from tests.conversation import Conversation
from tests.harness import Databases, Suite, open_suite
from tests.listening import listening
from tests.servers.documents.desk import Desk
from tests.servers.documents.ingesting.workshop import Workshop

pytestmark = pytest.mark.anyio


@pytest.fixture
async def replicas(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path: Path
) -> AsyncGenerator[tuple[Suite, Suite]]:
    urls = await databases.fresh()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(
            open_suite(urls, tmp_path, databases.admin_url, redis_url=redis_server.url)
        )
        other = await stack.enter_async_context(
            open_suite(urls, tmp_path, redis_url=redis_server.url, public_url=one.settings.base_url)
        )
        yield one, other


async def test_one_edited_file_is_told_of_once_at_every_replica_and_in_both_eras(
    replicas: tuple[Suite, Suite], tmp_path: Path
) -> None:
    one, other = replicas
    shop = Workshop.of(one.urls, one.admin_url, tmp_path, tmp_path / "folder")
    shop.put({"sub/a.md": "# Apples\n", "b.md": "# B\n"})
    await shop.ingest()
    a, b, collection = (f"doc://{shop.collection}{path}" for path in ("/sub/a.md", "/b.md", ""))
    desk = Desk(other)
    assert await desk.found("apples", collection=shop.collection) == [a]
    token = one.token("manager", "documents")
    async with (
        listening(one, [b, a, collection], server="documents") as modern,
        httpx.AsyncClient(timeout=10) as http,
    ):
        legacy = Conversation(replicas, token, "documents", http)
        await legacy.initialize(0)
        for uri in (b, a):
            assert (await legacy.post(0, legacy.request("resources/subscribe", {"uri": uri}))).status_code == 200
        async with legacy.listening(1) as events:
            assert (await anext(events)).message is None
            shop.put({"sub/a.md": "# Pears\n"})
            report = await shop.ingest()
            assert (report.changes["changed"], report.counts["unchanged"]) == (["sub/a.md"], 1)
            with anyio.fail_after(10):
                message = (await anext(events)).message
            assert message is not None
            assert message["params"]["uri"] == a
            assert {await modern.hears(), await modern.hears()} == {a, collection}
            shop.put({"b.md": "# B again\n"})
            await shop.ingest()  # the next that is heard is of this: nothing was told twice, or of b.md before
            with anyio.fail_after(10):
                message = (await anext(events)).message
            assert message is not None
            assert message["params"]["uri"] == b
            assert {await modern.hears(), await modern.hears()} == {b, collection}
    assert await desk.found("pears", collection=shop.collection) == [a]
    assert await desk.found("apples", collection=shop.collection) == []
    assert "Pears" in (await desk.read(a))["contents"][0]["text"]
