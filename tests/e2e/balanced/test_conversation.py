"""A conversation of the 2025 era behind a round robin without affinity: each request finds another replica."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx
import pytest
from mcp_types import CallToolResult

from tests.conversation import Said, final
from tests.e2e.balanced.talk import ANY, Talk, named, talking
from tests.e2e.fleet import Drill
from tests.harness import LEGACY, modern, modern_headers

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/subscribe is removed"),  # in the other era
]

VERSIONS = ("2025-06-18", LEGACY)
LISTEN = "subscriptions/listen"
LOST_WITHIN_S = 30
"""A replica is known to be dead 6 s after it last said that it lives; whoever waits looks every 2 s."""


async def heard(events: AsyncIterator[Said], method: str) -> dict[str, Any]:
    """The next message of this method."""
    async for said in events:
        if said.message is not None and said.message.get("method") == method:
            return said.message
    raise AssertionError(f"the stream ended without {method}")


def steps(said: list[Said]) -> list[int]:
    return [int(each.message["params"]["progress"]) for each in said if each.message and "params" in each.message]


async def begun(talk: Talk, steps_before: int, **counting: Any) -> list[Said]:
    """The beginning of a stream that counts, whose connection breaks after some steps."""
    seen: list[Said] = []
    async with talk.client.streaming(ANY, talk.client.tool("count", progress=True, **counting)) as events:
        async for said in events:
            seen.append(said)
            if len(steps(seen)) == steps_before:
                break
    return seen


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_question_and_its_answer_pass_different_replicas(drill: Drill, version: str) -> None:
    async with talking(drill, version=version) as talk:
        client = talk.client
        await client.initialize()
        assert await client.call(ANY, "echo", text="here") == {"text": "here"}
        with anyio.fail_after(20):
            async with client.streaming(ANY, client.tool("greet")) as events:
                asker = talk.last
                asked = await heard(events, "elicitation/create")
                assert (await client.reply(ANY, asked, name="Ada", mood="well")).status_code == 202
                taker = talk.last
                answer = await final(events)
    assert answer["result"]["structuredContent"] == {"text": "Hello Ada, well"}
    assert asker.number != taker.number
    assert {each.number for each in talk.answered} == {1, 2, 3}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_change_made_at_one_replica_is_heard_at_another(drill: Drill, version: str) -> None:
    uri, thing = f"drill://things/heard-{version}", f"heard-{version}"
    async with talking(drill, version=version) as talk:
        client = talk.client
        await client.initialize()
        await client.call(ANY, "put", id=thing, value="old", idempotency_key=f"{thing}-old")
        subscribed = await client.post(ANY, client.request("resources/subscribe", {"uri": uri}))
        subscriber = talk.last
        assert "result" in subscribed.json()
        with anyio.fail_after(20):
            async with client.listening(ANY) as events:
                teller = talk.last
                await client.call(ANY, "put", id=thing, value="new", idempotency_key=thing)
                writer = talk.last
                assert (await heard(events, "notifications/resources/updated"))["params"] == {"uri": uri}
    assert len({subscriber.number, teller.number, writer.number}) == 3


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_broken_stream_goes_on_at_another_replica_without_loss_or_repetition(
    drill: Drill, version: str
) -> None:
    async with talking(drill, version=version) as talk:
        await talk.client.initialize()
        with anyio.fail_after(20):
            seen = await begun(talk, 4, to=12, pause_s=0.05)
            origin = talk.last
            async with talk.client.listening(ANY, after=seen[-1].id) as events:
                rest = [said async for said in events]
    assert steps([*seen, *rest]) == list(range(1, 13))
    assert rest[-1].message is not None
    assert rest[-1].message["result"]["structuredContent"] == {"to": 12}
    assert (talk.last.method, talk.last.number != origin.number) == ("GET", True)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_that_was_ended_at_one_replica_is_over_at_all(drill: Drill, version: str) -> None:
    async with talking(drill, version=version) as talk:
        client = talk.client
        await client.initialize()
        with anyio.fail_after(20):
            async with client.listening(ANY) as events:
                teller = talk.last
                assert (await client.delete(ANY)).status_code == 204
                ender = talk.last
                assert [said async for said in events if said.message] == []
        assert teller.number != ender.number
        for _ in range(3):
            assert (await client.post(ANY, client.request("ping"))).status_code == 404
    assert {each.number for each in talk.answered[-3:]} == {1, 2, 3}


async def test_an_sdk_client_talks_with_all_replicas_and_notices_nothing(drill: Drill) -> None:
    steps_told: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        del total, message
        steps_told.append(progress)

    async with named(drill, "Grace", "legacy") as who:
        with anyio.fail_after(30):
            echoed = await who.client.call_tool("echo", {"text": "here"})
            greeted = await who.client.call_tool("greet", {})
            await who.client.call_tool("count", {"to": 5}, progress_callback=note)
            await who.client.call_tool("put", {"id": "sdk", "value": "old", "idempotency_key": "sdk-client-old"})
            while not any(each.method == "GET" for each in who.answered):  # what changed before is not told
                await anyio.sleep(0.01)
            await who.client.subscribe_resource("drill://things/sdk")  # pyright: ignore[reportDeprecated]
            await who.client.call_tool("put", {"id": "sdk", "value": "new", "idempotency_key": "sdk-client-new"})
            while not who.heard:
                await anyio.sleep(0.01)
    assert echoed.structured_content == {"text": "here"}
    assert greeted.structured_content == {"text": "Hello Grace, well"}
    assert steps_told == [1, 2, 3, 4, 5]
    assert who.heard == ["drill://things/sdk"]
    assert {each.number for each in who.answered} == {1, 2, 3}
    assert {each.method for each in who.answered} == {"POST", "GET", "DELETE"}


async def test_a_call_lost_with_its_replica_ends_with_an_unknown_outcome_elsewhere(
    drill: Drill, show: Callable[..., None]
) -> None:
    async with talking(drill) as talk:
        client = talk.client
        await client.initialize()
        seen: list[Said] = []

        async def cut_off() -> None:
            async with client.streaming(ANY, client.tool("count", progress=True, to=400, pause_s=0.05)) as events:
                async for said in events:
                    seen.append(said)
                    if len(steps(seen)) == 3:
                        await drill.kill(talk.last.number, "drill")

        with pytest.raises(httpx.RemoteProtocolError):
            await cut_off()
        lost = talk.last
        began = anyio.current_time()
        with anyio.fail_after(LOST_WITHIN_S):
            async with client.listening(ANY, after=seen[-1].id) as events:
                rest = [said async for said in events]
            took = anyio.current_time() - began
        said = steps([*seen, *rest])
        assert said == list(range(1, len(said) + 1))
        error = (rest[-1].message or {})["error"]
        assert (error["code"], error["data"]["code"]) == (503, "outcome_unknown")
        assert talk.last.number != lost.number
        assert await client.call(ANY, "echo", text="it goes on") == {"text": "it goes on"}
    show(f"kill -9 amid a stream: another replica said that the outcome is unknown after {took:.1f} s")


async def test_a_drained_replica_lets_its_streams_go_and_the_result_comes_through_another(
    drill: Drill, show: Callable[..., None]
) -> None:
    async with talking(drill) as talk:
        client = talk.client
        await client.initialize()
        counting = client.tool("count", progress=True, to=60, pause_s=0.05)
        codes: list[int | None] = []

        async def drain(number: int) -> None:
            codes.append(await drill.drain(number, "drill"))

        seen: list[Said] = []
        rest: list[Said] = []
        with anyio.fail_after(40):
            async with anyio.create_task_group() as tasks:
                async with client.streaming(ANY, counting) as events:
                    tasks.start_soon(drain, talk.last.number)
                    seen.extend([said async for said in events])  # the end is a proper one, or this raises
                async with client.listening(ANY, after=seen[-1].id) as events:
                    rest.extend([said async for said in events])
        origin, resumed = talk.answered[-2:]
        assert codes == [0]
        assert 0 < len(steps(seen)) < 60
        assert steps([*seen, *rest]) == list(range(1, 61))
        assert (rest[-1].message or {})["result"]["structuredContent"] == {"to": 60}
        assert (origin.method, resumed.method, resumed.number != origin.number) == ("POST", "GET", True)
        assert await client.call(ANY, "echo", text="it goes on") == {"text": "it goes on"}
    show(f"drain amid a stream: let go after step {len(steps(seen))} of 60, the rest came through another replica")


async def at_replica(talk: Talk, number: int, message: dict[str, Any], stack: AsyncExitStack) -> AsyncIterator[Said]:
    """A stream of this replica: the balancer gives every replica its turn."""
    for _ in range(3):
        events = await stack.enter_async_context(talk.client.streaming(ANY, message))
        if talk.last.number == number:
            return events
    raise AssertionError(f"replica {number} had no turn")


async def test_a_drained_replica_ends_what_listens_and_an_sdk_client_still_gets_its_answer(drill: Drill) -> None:
    params = {"notifications": {"resourceSubscriptions": ["drill://things/listened"]}}
    steps_told: list[float] = []
    answers: list[CallToolResult] = []
    async with named(drill, "Grace", "legacy") as who, talking(drill) as talk, AsyncExitStack() as stack:
        talk.client.extra = modern_headers(LISTEN, params)
        await who.client.call_tool("put", {"id": "listened", "value": "old", "idempotency_key": "listened"})

        async def note(progress: float, total: float | None, message: str | None) -> None:
            del total, message
            steps_told.append(progress)

        async def count() -> None:
            counting = {"to": 60, "pause_s": 0.05}
            answers.append(await who.client.call_tool("count", counting, progress_callback=note))

        async def listen_until_drained() -> dict[str, Any]:
            events = await at_replica(talk, origin.number, modern(LISTEN, params, "listen-1"), stack)
            await heard(events, "notifications/subscriptions/acknowledged")
            tasks.start_soon(drill.drain, origin.number, "drill")
            last = await final(events)
            assert [said async for said in events] == []
            return last

        with anyio.fail_after(40):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(count)
                while not steps_told:
                    await anyio.sleep(0.01)
                origin = who.posted[-1]
                last = await listen_until_drained()
                assert (last["id"], last["result"]["resultType"]) == ("listen-1", "complete")
        assert [answer.structured_content for answer in answers] == [{"to": 60}]
        assert steps_told == list(range(1, 61))
        resumed = [each for each in who.answered if each.method == "GET"][-1]
        assert resumed.number != who.posted[-1].number
