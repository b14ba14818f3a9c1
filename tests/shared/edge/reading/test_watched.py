"""A resource with contents can be watched: its name is told, and nobody takes out what is in it to look whether it is
there.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from tests.conversation import Conversation
from tests.harness import Suite
from tests.shelf.books import BOOKS, TAKEN
from tests.shelf.reader import ALL, Reader
from tests.shelf.server import server

pytestmark = pytest.mark.anyio

START = "shelf://guides/start.md"
LARGE = "shelf://large/bytes.bin"
NOT_WATCHED = [f"{START}?version=1", "shelf://guides", "shelf://guides/none.md", "shelf://guides/%73tart.md"]


async def touch(suite: Suite, *uris: str) -> None:
    async with Reader(suite, scopes=ALL).client() as client:
        for uri in uris:
            assert not (await client.call_tool("touch_book", {"uri": uri})).is_error


@asynccontextmanager
async def talking(suite: Suite) -> AsyncGenerator[Conversation]:
    async with httpx.AsyncClient(timeout=30) as http:
        client = Conversation([suite], Reader(suite).token(), server.name, http)
        await client.initialize()
        yield client


async def test_a_stream_tells_of_a_changed_book_without_taking_it_out(shelf: Suite) -> None:
    TAKEN.clear()
    async with Reader(shelf).client() as client:
        with anyio.fail_after(10):
            async with client.listen(resource_subscriptions=[START, LARGE, *NOT_WATCHED]) as heard:
                await touch(shelf, *NOT_WATCHED, LARGE, START)
                told: Any = [await anext(heard), await anext(heard)]
    assert [event.uri for event in told] == [LARGE, START]
    assert TAKEN == []


async def test_a_session_is_told_of_a_changed_book_without_taking_it_out(shelf: Suite) -> None:
    TAKEN.clear()
    async with talking(shelf) as client:
        for uri in (START, LARGE):
            assert (await client.post(0, client.request("resources/subscribe", {"uri": uri}))).json()["result"] == {}
        with anyio.fail_after(10):
            async with client.listening(0) as events:
                await touch(shelf, LARGE, START)
                told = [said.message["params"]["uri"] async for said in _two(events)]
    assert told == [LARGE, START]
    assert TAKEN == []


async def _two(events: Any) -> AsyncGenerator[Any]:
    seen = 0
    async for said in events:
        if said.message is not None:
            yield said
            seen += 1
            if seen == 2:
                return


async def test_what_cannot_be_watched_is_not_found(shelf: Suite) -> None:
    async with talking(shelf) as client:
        for uri in NOT_WATCHED:
            error = (await client.post(0, client.request("resources/subscribe", {"uri": uri}))).json()["error"]
            assert (error["code"], error["data"]) == (-32002, {"uri": uri})


async def test_a_book_that_is_gone_is_told_no_more(shelf: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Reader(shelf).client() as client:
        with anyio.fail_after(10):
            async with client.listen(resource_subscriptions=[START, LARGE]) as heard:
                monkeypatch.delitem(BOOKS, "guides/start.md")
                await touch(shelf, START, LARGE)
                told: Any = await anext(heard)
    assert told.uri == LARGE
