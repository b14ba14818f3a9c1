"""The short way of `tools/call` answers as the SDK's own does, and takes only what is ordinary."""

import json
import re
from typing import Any

import pytest

from shared.edge import shortcut
from tests.harness import Suite, modern, modern_headers

pytestmark = pytest.mark.anyio

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "an answer": ("get_customer", {"customer_id": "C-000001"}),
    "several at once": ("get_customers", {"customer_ids": ["C-000001", "C-999999"]}),
    "an answer with outsiders' text": ("list_customer_notes", {"customer_id": "C-000001", "limit": 50}),
    "a failure": ("get_customer", {"customer_id": "C-999999"}),
    "invalid arguments": ("get_customer", {"customer_id": "x", "more": 1}),
    "a missing scope": ("create_customer", {"name": "x", "segment": "consumer", "country": "DE"}),
    "an unknown tool": ("no_such_tool", {}),
    "no arguments": ("search_customers", {}),
}


def plain(answer: Any) -> tuple[int, Any, Any]:
    """Status, headers that matter, and body without what differs from call to call."""
    text = json.dumps(answer.json(), sort_keys=True)
    shown = json.loads(text)
    for found in (shown.get("result", {}).get("structuredContent", {}), shown.get("error", {}).get("data", {})):
        reference = (found.get("error") or found).get("reference")
        if reference:
            text = text.replace(reference, "REFERENCE")
    text = re.sub(r'("[a-z]+_left[a-z_]*"): [0-9.]+', r"\1: 0", text)
    kept = {name: answer.headers.get(name) for name in ("content-type", "www-authenticate")}
    return answer.status_code, kept, json.loads(text)


@pytest.mark.parametrize("call", CALLS)
async def test_both_ways_give_the_same_answer(suite: Suite, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, arguments = CALLS[call]
    params = {"name": name, "arguments": arguments}
    short = await suite.post(suite.token("support"), "tools/call", params)
    monkeypatch.setattr(shortcut, "is_ordinary", lambda _context: False)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    long = await suite.post(suite.token("support"), "tools/call", params)
    assert plain(short) == plain(long)


@pytest.mark.parametrize(
    "odd",
    [
        {"name": 7, "arguments": {}},
        {"arguments": {}},
        {"name": "get_customer", "arguments": []},
        {"name": "get_customer", "arguments": None},
        {"name": "get_customer", "arguments": {"customer_id": "C-000001"}, "requestState": 7},
        {"name": "get_customer", "arguments": {"customer_id": "C-000001"}, "inputResponses": {}},
    ],
    ids=str,
)
async def test_what_is_out_of_the_ordinary_is_the_sdks_to_judge(
    suite: Suite, odd: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = modern("tools/call", odd)
    headers = modern_headers("tools/call", odd) | {"Authorization": f"Bearer {suite.token('support')}"}
    headers["Mcp-Name"] = str(odd.get("name", "get_customer"))
    seen: list[bool] = []
    judge = shortcut.is_ordinary

    def judged(context: Any) -> bool:
        seen.append(judge(context))
        return seen[-1]

    monkeypatch.setattr(shortcut, "is_ordinary", judged)
    async with suite.http() as client:
        answer = await client.post(suite.url(), json=body, headers=headers)
    assert True not in seen
    assert answer.status_code in {200, 400}


async def test_the_older_era_is_answered_in_its_own_words(suite: Suite) -> None:
    name, arguments = CALLS["an answer"]
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    headers = await suite.session(suite.token("support"))
    async with suite.http() as client:
        answer = await client.post(suite.url(), json=body, headers=headers)
    result = answer.json()["result"]
    assert result.keys() <= {"content", "structuredContent", "isError", "_meta"}
    assert not [key for key in result.get("_meta", {}) if key.startswith("io.modelcontextprotocol/")]
