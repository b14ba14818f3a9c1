"""A tool that asks its user, in the 2026 era: a question is a result, and the client repeats the call."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from tests.drill.server import server
from tests.harness import Databases, Suite, modern, modern_headers
from tests.shared.edge.sessions.conftest import open_replicas

pytestmark = pytest.mark.anyio

ABLE: dict[str, Any] = {"elicitation": {"form": {}}}
PUT = {"name": "put_if_sure", "arguments": {"id": "rounds", "value": "v"}}
YES = {"action": "accept", "content": {"sure": True}}


@pytest.fixture(scope="module")
async def drill(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    async with open_replicas(databases, tmp_path_factory.mktemp("rounds"), 1) as [replica]:
        yield replica


async def call(
    drill: Suite, params: dict[str, Any], persona: str = "admin", capabilities: dict[str, Any] = ABLE
) -> httpx.Response:
    token = drill.provider.mint(persona, drill.url("drill"), scopes=["drill:read", "drill:write"])
    body = modern("tools/call", params)
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities
    headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token}"}
    async with drill.http() as client:
        return await client.post(drill.url("drill"), json=body, headers=headers)


async def asked(drill: Suite, params: dict[str, Any], persona: str = "admin") -> tuple[str, dict[str, Any]]:
    """The key of the question, and what repeating the call must carry besides the answer."""
    result = (await call(drill, params, persona)).json()["result"]
    assert result["resultType"] == "input_required"
    [key] = result["inputRequests"]
    return key, {**params, "requestState": result["requestState"]}


async def confirmed(drill: Suite, params: dict[str, Any]) -> dict[str, Any]:
    """The call of the last round, both questions answered."""
    key, again = await asked(drill, params)
    key, last = await asked(drill, {**again, "inputResponses": {key: YES}})
    return {**last, "inputResponses": {key: YES}}


async def effects(drill: Suite, thing: str) -> int:
    return len(await drill.sql("SELECT FROM drill.effects WHERE thing = $1", thing))


def put(thing: str, **more: Any) -> dict[str, Any]:
    return {"name": "put_if_sure", "arguments": {"id": thing, "value": "v", **more}}


async def test_each_question_is_a_result_and_the_work_is_done_in_the_last_round(drill: Suite) -> None:
    last = await confirmed(drill, put("last-round"))
    assert await effects(drill, "last-round") == 0
    answer = (await call(drill, last)).json()["result"]
    assert answer["structuredContent"] == {"id": "last-round", "value": "v"}
    assert await effects(drill, "last-round") == 1


async def test_the_last_round_sent_again_gets_the_first_answer_and_does_nothing(drill: Suite) -> None:
    last = await confirmed(drill, put("replayed"))
    answers = [(await call(drill, last)).json()["result"]["structuredContent"] for _ in range(3)]
    assert answers == [{"id": "replayed", "value": "v"}] * 3
    assert await effects(drill, "replayed") == 1


async def test_an_idempotency_key_holds_over_all_rounds(drill: Suite) -> None:
    keyed = put("keyed", idempotency_key="the-key-of-this-call")
    for _ in range(2):  # the second time with other rounds
        answer = await call(drill, await confirmed(drill, keyed) if await effects(drill, "keyed") == 0 else keyed)
        assert answer.json()["result"]["structuredContent"] == {"id": "keyed", "value": "v"}
    assert await effects(drill, "keyed") == 1


@pytest.mark.parametrize(
    "change", ["arguments", "tool", "caller", "state", "state with more", "state with noise", "no state"]
)
async def test_an_answer_counts_only_for_the_call_it_was_asked_for(drill: Suite, change: str) -> None:
    key, again = await asked(drill, put("bound"))
    repeated: dict[str, Any] = {**again, "inputResponses": {key: YES}}
    persona = "admin"
    match change:
        case "arguments":
            repeated["arguments"] = {"id": "bound", "value": "other"}
        case "tool":
            repeated |= {"name": "greet", "arguments": {}}
        case "caller":
            persona = "manager"
        case "state":
            sealed = repeated["requestState"]
            repeated["requestState"] = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
        case "state with more":  # lenient decoders of base64 stop at the padding
            repeated["requestState"] += "=-TAMPERED"
        case "state with noise":  # and skip what is none of their letters
            repeated["requestState"] = repeated["requestState"][:40] + "!" + repeated["requestState"][40:]
        case _:
            del repeated["requestState"]
    answer = await call(drill, repeated, persona)
    if change == "no state":  # an answer to nothing: it is asked again
        assert answer.json()["result"]["resultType"] == "input_required"
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
    assert await effects(drill, "bound") == 0


async def test_a_client_that_did_not_declare_elicitation_is_told_what_it_needs(drill: Suite) -> None:
    unable: list[dict[str, Any]] = [{}, {"elicitation": {"url": {}}}]
    for capabilities in unable:
        answer = await call(drill, {"name": "greet", "arguments": {}}, capabilities=capabilities)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, -32021)
        assert error["data"] == {"requiredCapabilities": {"elicitation": {"form": {}}}}


async def test_a_declined_question_ends_the_call_with_nothing_done(drill: Suite) -> None:
    key, again = await asked(drill, put("no"))
    answer = await call(drill, {**again, "inputResponses": {key: {"action": "decline"}}})
    assert answer.json()["result"]["structuredContent"]["error"]["code"] == "declined"
    assert await effects(drill, "no") == 0


async def test_each_round_has_its_record_with_what_the_user_said(drill: Suite) -> None:
    await call(drill, await confirmed(drill, put("recorded")))
    outcomes = [one for one in await drill.records(target="put_if_sure", limit=6) if one["kind"] == "outcome"]
    assert [one["outcome"] for one in outcomes] == ["ok", "input_required", "input_required"]
    assert [sorted(one.get("answers", {}).values()) for one in outcomes] == [["accept"] * 2, ["accept"], []]


async def test_the_state_shows_a_client_nothing(drill: Suite) -> None:
    _, again = await asked(drill, {"name": "put_if_sure", "arguments": {"id": "hidden", "value": "v"}})
    assert server.name not in again["requestState"]
    assert "round" not in again["requestState"]
