"""A tool asks the caller's user: the question leaves by one replica, and its answer comes in at another."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from tests.conversation import Conversation, Said, final
from tests.harness import Databases, Suite
from tests.shared.edge.sessions.conftest import Talk, open_replicas

pytestmark = pytest.mark.anyio

NAME = {"name": "Ada", "mood": "well"}


async def question(events: AsyncIterator[Said]) -> dict[str, Any]:
    async for said in events:
        if said.message is not None and said.message.get("method") == "elicitation/create":
            return said.message
    raise AssertionError("nothing was asked")


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
async def test_a_question_asked_at_one_replica_is_answered_at_another(talk: Talk, version: str) -> None:
    client = talk(version=version)
    await client.initialize(at=0)
    async with client.streaming(1, client.tool("greet")) as events:
        asked = await question(events)
        assert asked["params"]["requestedSchema"]["required"] == ["name"]
        assert (await client.reply(2, asked, **NAME)).status_code == 202
        answer = await final(events)
    assert answer["result"]["structuredContent"] == {"text": "Hello Ada, well"}


async def test_many_questions_at_once_each_get_their_own_answer(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    texts: list[str] = []

    async def greet(number: int) -> None:
        async with client.streaming(number % 3, client.tool("greet")) as events:
            asked = await question(events)
            await client.reply((number + 1) % 3, asked, name=f"N{number}", mood="well")
            texts.append((await final(events))["result"]["structuredContent"]["text"])

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(greet, number)
    assert sorted(texts) == sorted(f"Hello N{number}, well" for number in range(20))


async def test_a_write_that_asks_leaves_nothing_of_the_rounds_that_asked(talk: Talk, replicas: list[Suite]) -> None:
    client = talk()
    await client.initialize()
    async with client.streaming(0, client.tool("put_if_sure", id="asked", value="v")) as events:
        for at in (1, 2):
            await client.reply(at, await question(events), sure=True)
        answer = await final(events)
    assert answer["result"]["structuredContent"] == {"id": "asked", "value": "v"}
    effects = await replicas[0].sql("SELECT value FROM drill.effects WHERE thing = 'asked'")
    assert [effect["value"] for effect in effects] == ["v"]
    records = await replicas[0].records(target="put_if_sure", limit=6)
    outcomes = [record["outcome"] for record in records if record["kind"] == "outcome"]
    assert outcomes == ["ok", "input_required", "input_required"]


async def test_nothing_is_done_when_the_user_declines(talk: Talk, replicas: list[Suite]) -> None:
    client = talk()
    await client.initialize()
    async with client.streaming(0, client.tool("put_if_sure", id="declined", value="v")) as events:
        asked = await question(events)
        await client.post(1, {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "decline"}})
        answer = await final(events)
    assert answer["result"]["structuredContent"]["error"]["code"] == "declined"
    assert await replicas[0].sql("SELECT FROM drill.effects WHERE thing = 'declined'") == []


async def test_an_answer_that_does_not_fit_the_form_is_told_so(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    async with client.streaming(0, client.tool("greet")) as events:
        await client.reply(1, await question(events), name="x" * 51)
        answer = await final(events)
    assert answer["result"]["structuredContent"]["error"]["code"] == "invalid"


async def test_a_client_that_cannot_ask_is_told_so_at_once(talk: Talk) -> None:
    client = talk()
    await client.initialize(capabilities={})
    assert (await client.call(1, "greet"))["error"]["code"] == "cannot_ask"
    json_only = talk()
    await json_only.initialize()
    json_only.extra = {"Accept": "application/json"}
    assert (await json_only.call(1, "greet"))["error"]["code"] == "cannot_ask"


async def test_only_the_session_that_was_asked_can_answer(talk: Talk) -> None:
    client, same_user, other = talk("manager"), talk("manager"), talk("support")
    for each in (client, same_user, other):
        await each.initialize()
    async with client.streaming(0, client.tool("greet")) as events:
        asked = await question(events)
        for stranger in (same_user, other):
            assert (await stranger.reply(1, asked, name="Eve", mood="well")).status_code == 202
        await client.reply(2, {"id": "ask-guessed"}, name="Eve", mood="well")
        await client.reply(2, asked, **NAME)
        await client.reply(1, asked, name="Twice", mood="well")  # the first answer counts
        answer = await final(events)
    assert answer["result"]["structuredContent"] == {"text": "Hello Ada, well"}


async def test_an_error_in_place_of_an_answer_ends_the_call(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    async with client.streaming(0, client.tool("greet")) as events:
        asked = await question(events)
        await client.post(1, {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -1, "message": "no"}})
        answer = await final(events)
    assert answer["result"]["structuredContent"]["error"]["code"] == "cannot_ask"


async def test_a_pending_question_is_found_again_at_another_replica_and_can_still_be_answered(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    async with client.streaming(0, client.tool("greet")) as events:
        first = await anext(events)
        asked = await question(events)
    assert first.message is None  # the priming event: an id to come back with
    async with client.listening(1, after=first.id) as events:
        again = await question(events)
        assert again == asked
        await client.reply(2, again, **NAME)
        answer = await final(events)
    assert answer["result"]["structuredContent"] == {"text": "Hello Ada, well"}


async def test_a_user_who_does_not_answer_in_time_ends_the_call(
    databases: Databases, redis_server: Any, tmp_path: Any, talk: Talk
) -> None:
    async with open_replicas(databases, tmp_path, 1, redis_url=redis_server.url, ask_timeout_s=0.2) as [replica]:
        client = talk()
        token = replica.provider.mint("admin", replica.url("drill"), scopes=["drill:read"])
        slow = Conversation([replica], token, "drill", client.http)
        await slow.initialize()
        async with slow.streaming(0, slow.tool("greet")) as events:
            asked = await question(events)
            seen = [said.message async for said in events if said.message is not None]
    assert seen[0]["params"]["requestId"] == asked["id"]
    assert seen[0]["method"] == "notifications/cancelled"
    assert seen[-1]["result"]["structuredContent"]["error"]["code"] == "timeout"


async def test_a_call_that_waits_for_its_user_holds_nobody_up(
    databases: Databases, redis_server: Any, tmp_path: Any, talk: Talk
) -> None:
    async with open_replicas(databases, tmp_path, 1, redis_url=redis_server.url, max_in_flight=1) as [replica]:
        token = replica.provider.mint("admin", replica.url("drill"), scopes=["drill:read"])
        client = Conversation([replica], token, "drill", talk().http)
        await client.initialize()
        async with client.streaming(0, client.tool("greet")) as events:
            asked = await question(events)
            assert await client.call(0, "echo", text="meanwhile") == {"text": "meanwhile"}
            await client.reply(0, asked, **NAME)
            assert "result" in await final(events)
