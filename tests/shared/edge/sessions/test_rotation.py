"""Keys are rotated replica by replica while clients talk to all of them; nobody notices."""

import base64
import os
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from shared.state.embedded_redis import EmbeddedRedis
from tests.conversation import Conversation, final
from tests.harness import Databases, Suite, modern, modern_headers
from tests.shared.edge.sessions.conftest import Talk, open_replicas
from tests.shared.edge.sessions.test_asking import NAME, question

pytestmark = pytest.mark.anyio

RINGS = ("session_keys", "state_keys", "cursor_keys", "ledger_keys", "audit_keys")
OLD, NEW = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
BOTH, BEGUN, DONE = 0, 1, 2
"""Places of the replicas, by how far they are: all open both keys, the second seals under the new one, the third has
only that."""


def rings(*keys: str) -> dict[str, Any]:
    return dict.fromkeys(RINGS, " ".join(keys))


@pytest.fixture(scope="module")
async def replicas(
    databases: Databases, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[list[Suite]]:
    folder, each = tmp_path_factory.mktemp("rotation"), [rings(OLD, NEW), rings(NEW, OLD), rings(NEW)]
    async with open_replicas(databases, folder, 3, each, redis_url=redis_server.url) as opened:
        yield opened


@pytest.mark.parametrize(("opened_at", "used_at"), [(BOTH, BEGUN), (BEGUN, BOTH), (BEGUN, DONE)])
async def test_sessions_questions_and_streams_live_through_it(talk: Talk, opened_at: int, used_at: int) -> None:
    client = talk()
    await client.initialize(at=opened_at)
    async with client.streaming(opened_at, client.tool("greet")) as events:
        first = await anext(events)
        await question(events)
    async with client.listening(used_at, after=first.id) as events:
        await client.reply(used_at, await question(events), **NAME)
        answer = await final(events)
    assert answer["result"]["structuredContent"] == {"text": "Hello Ada, well"}


@pytest.mark.parametrize(("asked_at", "answered_at"), [(BOTH, BEGUN), (BEGUN, BOTH), (BEGUN, DONE)])
async def test_request_state_lives_through_it(
    talk: Talk, replicas: list[Suite], asked_at: int, answered_at: int
) -> None:
    client = talk()
    asked = await _modern(client, replicas, asked_at, {"name": "greet", "arguments": {}})
    [key] = asked["inputRequests"]
    again = {
        "name": "greet",
        "arguments": {},
        "requestState": asked["requestState"],
        "inputResponses": {key: {"action": "accept", "content": NAME}},
    }
    answer = await _modern(client, replicas, answered_at, again)
    assert answer["structuredContent"] == {"text": "Hello Ada, well"}


async def test_what_was_sealed_under_a_key_that_is_gone_is_refused_and_begun_anew(
    talk: Talk,
) -> None:
    client = talk()
    await client.initialize(at=BOTH)
    assert (await client.post(DONE, client.request("ping"))).status_code == 404
    client.session = None
    await client.initialize(at=DONE)
    assert await client.call(BEGUN, "echo", text="again") == {"text": "again"}


async def _modern(client: Conversation, replicas: list[Suite], at: int, params: dict[str, Any]) -> dict[str, Any]:
    body = modern("tools/call", params)
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {"elicitation": {"form": {}}}
    headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {client.token}"}
    headers["Host"] = replicas[0].settings.base_url.partition("//")[2]
    url = f"http://127.0.0.1:{replicas[at].settings.port}/drill/mcp"
    answer = await client.http.post(url, json=body, headers=headers)
    return answer.json()["result"]
