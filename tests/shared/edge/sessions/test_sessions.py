"""Sessions of the 2025 era, with each message sent to whichever replica makes it hardest."""

from typing import Any

import anyio
import httpx
import pytest

from shared.state.sessions import handle_of
from tests.conversation import Conversation
from tests.drill.tools import NAPPING
from tests.harness import MODERN, Suite, modern, modern_headers
from tests.shared.edge.sessions.conftest import Talk

pytestmark = pytest.mark.anyio

VERSIONS = ("2025-06-18", "2025-11-25")


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_opened_at_one_replica_is_known_at_the_others(talk: Talk, version: str) -> None:
    client = talk(version=version)
    opened = await client.initialize(at=0)
    assert opened.json()["result"]["protocolVersion"] == version
    listed = (await client.post(1, client.request("tools/list"))).json()["result"]["tools"]
    assert "put_if_sure" in [tool["name"] for tool in listed]
    assert await client.call(2, "echo", text="hello") == {"text": "hello"}


async def test_a_session_id_is_long_and_kept_nowhere(talk: Talk, replicas: list[Suite]) -> None:
    client = talk()
    await client.initialize()
    assert client.session is not None
    assert len(client.session) >= 43  # 256 bits in base64
    kept = await replicas[1].parts.stores.sessions.listed("acme")
    assert handle_of("drill", client.session) in [session.handle for session in kept]
    assert client.session not in repr(kept)


async def test_a_request_without_a_session_is_told_to_initialize(talk: Talk) -> None:
    client = talk()
    status, said = error_of(await client.post(0, client.request("tools/list")))
    assert (status, "Initialize first" in said) == (400, True)


@pytest.mark.parametrize("whose", ["nobody", "another user", "another client", "another tenant"])
async def test_a_session_of_somebody_else_is_not_found(talk: Talk, whose: str) -> None:
    owner = talk("manager", client_id="app-1")
    await owner.initialize()
    thief = {
        "nobody": lambda: talk("manager", client_id="app-1"),
        "another user": lambda: talk("support", client_id="app-1"),
        "another client": lambda: talk("manager", client_id="app-2"),
        "another tenant": lambda: talk("outsider", client_id="app-1"),
    }[whose]()
    thief.session = "made-up" if whose == "nobody" else owner.session
    answers = [
        await thief.post(1, thief.tool("echo", text="x")),
        await thief.get(1),
        await thief.delete(1),
        await thief.post(1, {"jsonrpc": "2.0", "id": "ask-1", "result": {"action": "accept"}}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert await owner.call(2, "echo", text="still mine") == {"text": "still mine"}


async def test_a_modern_request_has_no_session_and_minds_none(talk: Talk, replicas: list[Suite]) -> None:
    client = talk()
    params = {"name": "echo", "arguments": {"text": "modern"}}
    headers = modern_headers("tools/call", params) | {"Mcp-Session-Id": "made-up", "Last-Event-ID": "x/1"}
    headers["Authorization"] = f"Bearer {client.token}"
    answer = await client.http.post(replicas[0].url("drill"), json=modern("tools/call", params), headers=headers)
    assert answer.json()["result"]["structuredContent"] == {"text": "modern"}
    assert "mcp-session-id" not in answer.headers
    for method in ("GET", "DELETE"):
        refused = await client.http.request(method, replicas[0].url("drill"), headers={"MCP-Protocol-Version": MODERN})
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


async def test_an_ended_session_is_gone_everywhere_and_both_ends_are_recorded(
    talk: Talk, replicas: list[Suite]
) -> None:
    client = talk()
    await client.initialize(at=0)
    assert (await client.delete(1)).status_code == 204
    assert [(await client.post(at, client.request("ping"))).status_code for at in (0, 1, 2)] == [404] * 3
    assert (await client.delete(2)).status_code == 404
    records = await replicas[0].records(subject="acme-admin")
    found = [
        record["target"] for record in records if record.get("session") == handle_of("drill", client.session or "")
    ]
    assert found == ["end", "initialize"]


async def test_ending_a_session_ends_its_stream_and_cancels_its_calls_at_other_replicas(
    talk: Talk, replicas: list[Suite]
) -> None:
    client = talk()
    await client.initialize(at=0)
    answers: list[dict[str, Any]] = []

    async def nap() -> None:
        answers.append((await client.post(2, client.tool("nap", seconds=9))).json())

    async def listen() -> None:
        async with client.listening(1) as events:
            async for said in events:
                opened.set()
                assert said.message is None

    opened = anyio.Event()
    with anyio.fail_after(8):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(nap)
            tasks.start_soon(listen)
            await opened.wait()
            await until_napping()
            await client.delete(0)
    assert answers[0]["error"]["code"] == -32800
    newest = (await replicas[0].records(target="nap", limit=1))[0]
    assert newest["outcome"] == "cancelled"


async def test_a_call_is_cancelled_by_word_given_to_another_replica(talk: Talk, replicas: list[Suite]) -> None:
    client = talk()
    await client.initialize()
    message = client.tool("nap", seconds=9)
    answers: list[dict[str, Any]] = []

    async def nap() -> None:
        answers.append((await client.post(1, message)).json())

    with anyio.fail_after(8):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(nap)
            await until_napping()
            cancelled = {"method": "notifications/cancelled", "params": {"requestId": message["id"]}}
            assert (await client.post(2, {"jsonrpc": "2.0", **cancelled})).status_code == 202
    assert answers[0]["error"]["code"] == -32800


async def test_nobody_cancels_a_call_of_another_session(talk: Talk, replicas: list[Suite]) -> None:
    client, other = talk(), talk()
    await client.initialize()
    await other.initialize()
    message = client.tool("nap", seconds=0.5)
    answers: list[dict[str, Any]] = []

    async def nap() -> None:
        answers.append((await client.post(1, message)).json())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(nap)
        await until_napping()
        cancelled = {"method": "notifications/cancelled", "params": {"requestId": message["id"]}}
        await other.post(1, {"jsonrpc": "2.0", **cancelled})
    assert answers[0]["result"]["structuredContent"] == {"text": "slept"}


async def until_napping() -> None:
    with anyio.fail_after(5):
        while not NAPPING:
            await anyio.sleep(0.01)


async def test_conversations_do_not_leak_into_each_other_under_load(talk: Talk) -> None:
    clients = [talk(persona) for persona in ("admin", "manager", "support", "outsider") for _ in range(3)]
    for at, client in enumerate(clients):
        await client.initialize(at % 3)

    async def chat(number: int, client: Conversation) -> None:
        for turn in range(10):
            text = f"{number}-{turn}"
            assert await client.call(turn % 3, "echo", text=text) == {"text": text}

    async with anyio.create_task_group() as tasks:
        for number, client in enumerate(clients):
            tasks.start_soon(chat, number, client)
