"""Who may no longer read what they subscribed to hears nothing more of it: of each change, not even that it was."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.state.embedded_redis import EmbeddedRedis
from tests.conversation import Conversation
from tests.harness import ERAS, Databases, Suite, open_suite
from tests.servers.documents.desk import Desk, some_collection
from tests.servers.documents.watching import watching
from tests.shell import Shell, keep_logs

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]

NO_LONGER_CONFIDENTIAL = """
@id("auditors-see-less")
@reason("Auditors are not cleared for what is confidential any more.")
forbid (principal in Role::"auditor", action == Action::"hold", resource == Scope::"documents:confidential");
"""


@dataclass
class Pair:
    """A document that will be lost, and one that stays; both are in a folder."""

    desk: Desk
    lost: str
    stays: str
    version: int = 1

    async def change(self, **more: Any) -> None:
        """Change the one, and then the other."""
        self.version += 1
        await self.desk.put(self.lost, f"# {uuid4().hex}\n", if_version=self.version - 1, **more)
        await self.sign()

    async def sign(self) -> None:
        """Change the one that stays: what is heard next is this, if nothing of before is."""
        there = await self.desk.call("get_document_outline", uri=self.stays)
        await self.desk.put(self.stays, f"# {uuid4().hex}\n", if_version=there["document"]["version"])


async def made(desk: Desk, classification: str = "internal") -> Pair:
    where = some_collection()
    pair = Pair(desk, f"doc://{where}/folder/lost.md", f"doc://{where}/folder/stays.md")
    await desk.put(pair.lost, classification=classification)
    await desk.put(pair.stays)
    return pair


@pytest.fixture
def admin(suite: Suite) -> Desk:
    return Desk(suite, "admin", {"roles": ["admin", "manager"]})


LOSSES: dict[str, dict[str, Any]] = {
    "readers": {"readers": ["role:manager"]},
    "readers, another user": {"readers": ["role:manager", "user:somebody-else"]},
    "classification": {"classification": "confidential"},
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_by_the_document_itself(suite: Suite, admin: Desk, era: str, loss: str) -> None:
    pair = await made(admin)
    async with watching([suite], era, suite.token("support", "documents"), [pair.lost, pair.stays]) as hears:
        await pair.change()
        assert [await hears(), await hears()] == [pair.lost, pair.stays]
        await pair.change(**LOSSES[loss])
        assert await hears() == pair.stays, "the change that took the right away is not told either"
        await pair.change()
        assert await hears() == pair.stays
        await pair.change(classification="internal", readers=["tenant"])
        assert await hears() == pair.stays, "what ended does not begin again by itself"


async def test_by_putting_it_away(suite: Suite, admin: Desk, era: str) -> None:
    pair = await made(admin)
    async with watching([suite], era, suite.token("support", "documents"), [pair.lost, pair.stays]) as hears:
        gone = await admin.call("archive_document", uri=pair.lost, if_version=1)
        await pair.sign()
        assert await hears() == pair.stays
        await admin.call("restore_document", document_id=gone["document_id"])
        await pair.sign()
        assert await hears() == pair.stays


async def test_by_moving_it_and_another_takes_its_place(suite: Suite, admin: Desk, era: str) -> None:
    pair = await made(admin)
    async with watching([suite], era, suite.token("support", "documents"), [pair.lost, pair.stays]) as hears:
        await admin.call("move_document", uri=pair.lost, if_version=1, to=f"{pair.lost}.moved.md")
        await admin.put(pair.lost, "# Another, for managers\n", readers=["role:manager"])
        await admin.put(pair.lost, "# The same\n", if_version=1)
        await pair.sign()
        assert await hears() == pair.stays


async def test_a_folder_says_nothing_of_what_is_hidden_in_it(suite: Suite, admin: Desk, era: str) -> None:
    pair = await made(admin)
    collection, folder = pair.lost.removesuffix("/folder/lost.md"), pair.lost.removesuffix("lost.md")
    told = [pair.stays, collection, folder]
    async with watching([suite], era, suite.token("support", "documents"), told) as hears:
        secret = f"{folder}secret.md"
        await admin.put(secret, classification="confidential")
        await admin.put(secret, "# Changed\n", if_version=1, readers=["role:manager"])
        await admin.call("move_document", uri=secret, if_version=2, to=f"{folder}other.md")
        gone = await admin.call("archive_document", uri=f"{folder}other.md", if_version=3)
        await admin.call("restore_document", document_id=gone["document_id"])
        await pair.sign()
        assert [await hears() for _ in told] == told
        await admin.put(f"{folder}other.md", "# Nothing of it\n", if_version=3)
        await pair.sign()
        assert [await hears() for _ in told] == told


async def test_a_folder_that_has_nothing_left_for_them(suite: Suite, admin: Desk, era: str) -> None:
    pair = await made(admin)
    folder = pair.lost.removesuffix("lost.md")
    sign = f"doc://{some_collection()}/sign.md"
    await admin.put(sign)
    async with watching([suite], era, suite.token("support", "documents"), [folder, sign]) as hears:
        for uri in (pair.lost, pair.stays):
            await admin.call("put_document", uri=uri, if_version=1, classification="confidential")
        await admin.put(sign, "# Changed\n", if_version=1)
        # That the first left the folder is told: the other was still there. Then there is no folder any more.
        heard = [await hears()]
        heard += [await hears()] if heard == [folder] else []
        assert heard[-1] == sign


async def test_by_a_role_that_the_next_token_lacks(suite: Suite, admin: Desk, era: str) -> None:
    pair = await made(admin, "confidential")
    before = suite.token("auditor", "documents")
    after = suite.token("auditor", "documents", roles=["approver"])
    if era == "legacy":
        async with watching([suite], era, before, [pair.lost, pair.stays], after) as hears:
            await pair.change()
            assert await hears() == pair.stays
        return
    async with watching([suite], era, after, [pair.stays]):
        with pytest.raises(AssertionError):
            async with watching([suite], era, after, [pair.lost, pair.stays]):
                pass


async def test_by_a_policy_that_changed_on_disk(
    own_suite: Callable[..., Awaitable[Suite]], tmp_path: Path, era: str
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    suite = await own_suite(policy_dir=folder)
    pair = await made(Desk(suite, "admin"), "confidential")
    async with watching([suite], era, suite.token("auditor", "documents"), [pair.lost, pair.stays]) as hears:
        await pair.change()
        assert [await hears(), await hears()] == [pair.lost, pair.stays]
        (folder / "documents.more.cedar").write_text(NO_LONGER_CONFIDENTIAL)
        suite.parts.policies["documents"].look()
        await pair.change()
        assert await hears() == pair.stays


@pytest.mark.parametrize("words", ["token --jti {jti}", "user {sub} --tenant acme"])
async def test_by_a_token_or_a_user_that_is_stopped(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, era: str, words: str
) -> None:
    keep_logs(monkeypatch)
    urls = await databases.fresh()
    async with open_suite(urls, tmp_path, databases.admin_url) as suite:
        claims = {"jti": uuid4().hex, "sub": uuid4().hex}
        pair = await made(Desk(suite, "admin"))
        token = suite.token("support", "documents", **claims)
        async with watching([suite], era, token, [pair.lost, pair.stays]) as hears:
            stop = ["stop", *words.format(**claims).split(), "--reason", "a leak"]
            await Shell.beside(urls, tmp_path).does(*stop)
            assert await hears() is None
            await pair.change()
        others = suite.token("support", "documents")
        async with watching([suite], era, others, [pair.lost, pair.stays]) as hears:
            await pair.change()
            assert [await hears(), await hears()] == [pair.lost, pair.stays]


@pytest.fixture
async def replicas(databases: Databases, redis_server: EmbeddedRedis, tmp_path: Path) -> AsyncGenerator[list[Suite]]:
    urls = await databases.fresh()
    async with AsyncExitStack() as stack:
        each: list[Suite] = []
        for _ in range(2):
            name: dict[str, Any] = {"public_url": each[0].settings.base_url} if each else {}
            opening = open_suite(urls, tmp_path, databases.admin_url, redis_url=redis_server.url, **name)
            each.append(await stack.enter_async_context(opening))
        yield each


async def test_at_another_replica(replicas: list[Suite], era: str) -> None:
    desk = Desk(replicas[0], "admin", {"roles": ["admin", "manager"]})
    pair = await made(desk)
    listens = replicas[0].token("support", "documents")
    writes = replicas[0].token("admin", "documents", **desk.claims)
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        writer = Conversation(replicas, writes, "documents", http)
        await writer.initialize(1)
        async with watching(replicas, era, listens, [pair.lost, pair.stays]) as hears:
            await writer.call(1, "put_document", uri=pair.lost, content="# Two\n", if_version=1)
            assert await hears() == pair.lost
            narrowed = {"readers": ["role:manager"], "content": "# Three\n", "if_version": 2}
            assert "error" not in await writer.call(1, "put_document", uri=pair.lost, **narrowed)
            await writer.call(1, "put_document", uri=pair.lost, content="# Four\n", if_version=3)
            await writer.call(1, "put_document", uri=pair.stays, content="# Two\n", if_version=1)
            assert await hears() == pair.stays
