"""Streams that break: what was said is found again at another replica, and what comes is followed there."""

import anyio
import pytest

from shared.state.sessions import Origin, handle_of
from tests.conversation import Conversation, Said, final
from tests.harness import Suite
from tests.shared.edge.sessions.conftest import Talk

pytestmark = pytest.mark.anyio


def steps(said: list[Said]) -> list[int]:
    return [int(each.message["params"]["progress"]) for each in said if each.message and "params" in each.message]


async def broken(client: Conversation, at: int, after: int, pause_s: float = 0.05) -> list[Said]:
    """The beginning of a stream that counts to ten, whose connection breaks after some events."""
    seen: list[Said] = []
    async with client.streaming(at, client.tool("count", progress=True, to=10, pause_s=pause_s)) as events:
        async for said in events:
            seen.append(said)
            if len(seen) == after:
                break
    return seen


async def test_a_broken_stream_goes_on_at_another_replica_without_loss_or_repetition(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    seen = await broken(client, at=0, after=4)
    async with client.listening(1, after=seen[-1].id) as events:
        rest = [said async for said in events]
    assert steps([*seen, *rest]) == list(range(1, 11))
    assert rest[-1].message is not None
    assert rest[-1].message["result"]["structuredContent"] == {"to": 10}


async def test_an_answer_given_to_nobody_is_there_for_whoever_comes_back(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    seen = await broken(client, at=0, after=1, pause_s=0)
    with anyio.fail_after(10):
        async with client.listening(2, after=seen[0].id) as events:
            first = await final(events)
        async with client.listening(1, after=seen[0].id) as events:
            again = await final(events)
    assert first == again


async def test_every_event_of_a_stream_has_an_id_of_its_own(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    async with client.streaming(0, client.tool("count", progress=True, to=5)) as events:
        ids = [said.id async for said in events]
    assert len(set(ids)) == len(ids) == 7  # an empty one first, five steps, the answer


async def test_clients_of_the_older_version_get_no_empty_event(talk: Talk) -> None:
    client = talk(version="2025-06-18")
    await client.initialize()
    async with client.streaming(0, client.tool("count", progress=True, to=1)) as events:
        said = [each async for each in events]
    assert [each.message is None for each in said] == [False, False]


async def test_a_stream_of_another_session_is_gone(talk: Talk) -> None:
    client, same_user = talk(), talk()
    await client.initialize()
    await same_user.initialize()
    seen = await broken(client, at=0, after=2, pause_s=0)
    for event_id in (seen[0].id, "made-up/0-1", "x/y"):
        answer = await same_user.get(1, **{"Last-Event-ID": event_id or ""})
        assert answer.status_code == 410
        assert "Make the call again" in answer.json()["error"]["message"]


async def test_a_call_that_takes_long_becomes_a_stream(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    quick = await client.post(0, client.tool("nap", seconds=0.1))
    assert quick.headers["content-type"] == "application/json"
    async with client.streaming(1, client.tool("nap", seconds=2.2)) as events:
        answer = await final(events)
    assert answer["result"]["structuredContent"] == {"text": "slept"}


async def test_a_client_that_takes_json_alone_gets_json_without_progress(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    client.extra = {"Accept": "application/json"}
    answer = await client.post(0, client.tool("count", progress=True, to=3))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["result"]["structuredContent"] == {"to": 3}


async def test_the_stream_of_a_replica_that_died_ends_with_what_is_known(talk: Talk, replicas: list[Suite]) -> None:
    client = talk()
    await client.initialize()
    sessions = replicas[0].parts.stores.sessions
    session = await sessions.find("acme", handle_of("drill", client.session or ""))
    assert session is not None
    await sessions.begin(session, "orphan", Origin("a-replica-that-died", 77))
    await sessions.append(session, "orphan", b"")
    with anyio.fail_after(10):
        async with client.listening(1, after="orphan/0") as events:
            answer = await final(events)
        async with client.listening(2, after="orphan/0") as events:
            again = await final(events)
    assert (answer["id"], answer["error"]["data"]["code"]) == (77, "outcome_unknown")
    assert again == answer


async def test_a_change_is_told_on_the_stream_of_another_replica(talk: Talk) -> None:
    client, writer = talk(), talk("manager")
    await client.initialize(at=0)
    await writer.initialize(at=0)
    await writer.call(0, "put", id="watched", value="1")
    uri = {"uri": "drill://things/watched"}
    with anyio.fail_after(10):
        async with client.listening(2) as events:
            first = await anext(events)
            subscribed = await client.post(1, client.request("resources/subscribe", uri))
            assert subscribed.json()["result"] == {}
            await writer.call(0, "put", id="watched", value="2")
            told = await anext(events)
        assert (first.message, told.message) == (
            None,
            {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": uri},
        )
        await writer.call(1, "put", id="watched", value="3")  # while nobody listens
        async with client.listening(0, after=told.id) as events:
            assert (await anext(events)).message is None
            missed = await anext(events)
            assert missed.message == told.message
            assert missed.id != told.id


async def test_a_newer_stream_takes_over_from_the_older(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    ended = anyio.Event()

    async def first() -> None:
        async with client.listening(0) as events:
            async for _ in events:
                opened.set()
        ended.set()

    opened = anyio.Event()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await opened.wait()
            async with client.listening(1):
                await ended.wait()


async def test_a_stream_is_refused_to_who_cannot_read_one(talk: Talk) -> None:
    client = talk()
    await client.initialize()
    assert (await client.get(0, Accept="application/json")).status_code == 406
