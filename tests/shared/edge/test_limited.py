"""What clients see of limits: what is left, and refusals as HTTP has them in 2026 and as 2025 can bear them."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from servers.customers.server import server as customers
from shared.core.tool import (
    Answer,
    Arguments,
    Begun,
    Call,
    Message,
    PromptAnswer,
    Risk,
    Suggestions,
    WriteArguments,
)
from shared.core.toolset import Toolset
from shared.edge.pressure import Pressure
from shared.edge.results import LEFT
from tests.generous import EVERYBODY
from tests.harness import ERAS, Databases, Suite, open_suite
from tests.own_redis import own_redis

pytestmark = pytest.mark.anyio

Open = Callable[..., Awaitable[Suite]]

tools = Toolset()


class Number(Arguments):
    n: int = 0


class Change(WriteArguments):
    n: int = 0


class Done(Answer):
    done: bool = True


@tools.read("customers:read", cost=0.25)
async def look(call: Call, query: Number) -> Done:
    """Look."""
    return Done()


@tools.read("customers:read", deferrable=True)
async def collect(call: Call, query: Number) -> Done:
    """Collect, at some time."""
    return Done()


@tools.write("customers:write", risk=Risk.LOW)
async def change(call: Call, query: Change) -> Done:
    """Change."""
    return Done()


class Named(Arguments):
    n: str


@tools.resource("thing://{n}", "customers:read")
async def read_thing(call: Call, query: Named) -> Done:
    """Read."""
    return Done()


@tools.prompt("customers:read", version="1.0.0")
async def advise(call: Call, query: Arguments) -> PromptAnswer:
    """Advise."""
    return PromptAnswer(description="Advice", messages=[Message(text="Look.")])


@tools.completion("n", "customers:read")
async def complete_n(call: Call, query: Begun) -> Suggestions:
    """Numbers."""
    return Suggestions(values=["1"])


@pytest.fixture
async def limited(databases: Databases, tmp_path: Path) -> AsyncGenerator[Open]:
    async with AsyncExitStack() as stack:

        async def opened(**settings: Any) -> Suite:
            served = [replace(customers, tools=tools, workers=(), views=None, policy=EVERYBODY)]
            opening = open_suite(await databases.fresh(), tmp_path, databases.admin_url, served=served, **settings)
            return await stack.enter_async_context(opening)

        yield opened


async def call(suite: Suite, name: str, persona: str = "manager", **arguments: Any) -> httpx.Response:
    return await suite.post(suite.token(persona), "tools/call", {"name": name, "arguments": arguments})


def left(answer: Any) -> dict[str, Any]:
    meta: dict[str, Any] = answer.meta
    return meta[LEFT]


def error_of(answer: Any) -> dict[str, Any]:
    assert answer.is_error
    shown: dict[str, Any] = answer.structured_content
    return shown["error"]


@pytest.mark.parametrize("era", ERAS)
async def test_answers_say_what_is_left(limited: Open, era: str) -> None:
    suite = await limited(burst=10, calls_per_minute=1, session_steps=50, session_cost_usd=1)
    async with suite.connect("manager", era) as client:
        await client.call_tool("look", {})  # the client then asks for the list
        first = left(await client.call_tool("look", {"n": 1}))
        second = left(await client.call_tool("look", {"n": 2}))
        third = left(await client.read_resource("thing://1"))
        fourth = left(await client.get_prompt("advise", {}))
    steps = [one["steps_left"] for one in (first, second, third, fourth)]
    assert steps == [steps[0] - n for n in range(4)]
    assert [one["calls_left"] for one in (first, second)] == [first["calls_left"], first["calls_left"] - 1]
    assert [one["cost_left_usd"] for one in (first, second, third, fourth)] == [0.5, 0.25, 0.25, 0.25]


async def test_over_http_of_2026_a_refusal_is_a_429_that_says_when_to_come_back(limited: Open) -> None:
    suite = await limited(burst=2, calls_per_minute=7)
    answers = [await call(suite, "look", n=n) for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "9"
    error = answers[2].json()["error"]
    assert (error["code"], error["data"]["code"], error["data"]["retryable"]) == (429, "rate_limited", True)
    details = error["data"]["details"]
    assert 8 < details.pop("retry_after_s") < 9
    assert details.pop("cost_left_usd") > 0
    assert details.pop("steps_left") > 0
    assert details == {"limit": "calls_per_minute", "calls_left": 0}
    (record, *_) = await suite.records(target="look")
    assert (record["outcome"], record["request_id"]) == ("rate_limited", error["data"]["reference"])


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("tools/list", {}),
    ("resources/list", {}),
    ("prompts/list", {}),
    ("resources/read", {"uri": "thing://1"}),
    ("prompts/get", {"name": "advise", "arguments": {}}),
    (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "thing://{n}"}, "argument": {"name": "n", "value": ""}},
    ),
    ("tools/call", {"name": "look", "arguments": {"bad": True}}),
    ("tools/call", {"name": "no_such_tool", "arguments": {}}),
    ("tools/call", {"name": "change", "arguments": {}}),
]


async def test_every_kind_of_request_is_a_step_of_the_session(limited: Open) -> None:
    suite = await limited(session_steps=2, session_window_s=1000)
    for number, (method, params) in enumerate(KINDS):
        token = suite.token("support", sid=f"session-{number}")
        answers = [await suite.post(token, method, params) for _ in range(3)]
        assert [answer.status_code == 429 for answer in answers] == [False, False, True], (method, params)
        assert answers[2].json()["error"]["data"]["code"] == "over_budget"
        assert 0 < int(answers[2].headers["Retry-After"]) <= 1000


async def test_a_client_over_its_limits_may_still_end_its_session(limited: Open) -> None:
    suite = await limited(burst=2, calls_per_minute=1)
    headers = await suite.session(suite.token("manager"))
    listing: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    async with suite.http() as http:
        answers = [await http.post(suite.url(), json=listing, headers=headers) for _ in range(3)]
        ended = await http.delete(suite.url(), headers=headers)
        again = await http.delete(suite.url(), headers=headers)
    assert "Too many calls" in answers[-1].text
    assert (ended.status_code, again.status_code) == (204, 404)
    (record,) = await suite.records(target="end", limit=1)
    assert record["outcome"] == "ok"


async def test_a_client_of_2026_reads_the_refusal_and_goes_on(limited: Open) -> None:
    suite = await limited(burst=3, calls_per_minute=60)
    async with suite.connect("manager") as client:
        await client.list_tools()  # else the client asks after its first call, and a refusal of that loses the answer
        async with anyio.create_task_group() as tasks:
            for n in range(5):
                tasks.start_soon(tried, client, n)
        with pytest.raises(MCPError) as refused:
            await client.call_tool("look", {"n": 5})
        error = refused.value.error
        assert error.code == 429
        assert "Too many calls" in error.message
        assert error.data["code"] == "rate_limited"
        assert error.data["details"]["retry_after_s"] > 0
        await works_again(client)


async def tried(client: Client, n: int) -> None:
    with suppress(MCPError):
        await client.call_tool("look", {"n": n})


async def works_again(client: Client) -> None:
    with anyio.fail_after(10):
        while True:
            try:
                assert not (await client.call_tool("look", {"n": 99})).is_error
                return
            except MCPError as error:
                await anyio.sleep(error.error.data["details"]["retry_after_s"])


async def test_a_client_of_2025_gets_a_result_the_model_can_read(limited: Open) -> None:
    suite = await limited(session_steps=12)
    async with suite.connect("manager", "legacy") as client:
        results = [await client.call_tool("look", {"n": n}) for n in range(15)]
        error = error_of(results[-1])
        assert (error["code"], error["details"]["steps_left"]) == ("over_budget", 0)
        with pytest.raises(MCPError) as refused:
            await client.read_resource("thing://1")
        assert (refused.value.error.code, refused.value.error.data["code"]) == (429, "over_budget")


@pytest.mark.parametrize("era", ERAS)
async def test_a_loop_is_a_result_for_the_model_in_both_eras(limited: Open, era: str) -> None:
    suite = await limited(same_calls_per_minute=3)
    async with suite.connect("manager", era) as client:
        results = [await client.call_tool("look", {"n": 7}) for _ in range(4)]
        assert [result.is_error for result in results] == [False, False, False, True]
        error = error_of(results[3])
        assert (error["code"], error["retryable"]) == ("loop_detected", False)
        assert "will not change" in error["message"]
        assert 50 < error["details"]["retry_after_s"] <= 60
        assert not (await client.call_tool("look", {"n": 8})).is_error


async def test_calls_that_can_wait_are_shed_first(limited: Open) -> None:
    suite = await limited(session_steps=10)
    answers = [await call(suite, "collect", n=n) for n in range(9)]
    assert [answer.status_code for answer in answers] == [200] * 8 + [429]
    assert answers[8].json()["error"]["data"]["code"] == "shed"
    assert (await call(suite, "look")).status_code == 200


async def test_under_pressure_what_can_wait_is_a_503(limited: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pressure, "pressed", lambda _self: True)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    suite = await limited()
    shed, served = await call(suite, "collect"), await call(suite, "look")
    assert (shed.status_code, shed.headers["Retry-After"], served.status_code) == (503, "2", 200)
    assert shed.json()["error"]["data"]["code"] == "shed"


async def test_budgets_follow_the_login_the_identity_provider_names(limited: Open) -> None:
    suite = await limited(session_steps=2)
    codes: list[list[int]] = []
    for claims in ({"sid": "one"}, {"sid": "two"}, {"jti": "new"}, {"sid": "one"}, {}):
        tokens = [suite.token("manager", **claims) for _ in range(3)]
        codes.append([(await suite.post(token, "tools/list", {})).status_code for token in tokens])
    assert codes == [[200, 200, 429]] * 3 + [[429] * 3] * 2


async def test_reads_outlive_redis_if_the_settings_say_so_and_writes_do_not(limited: Open, tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with own_redis(tmp_path / "redis") as redis:
        suite = await limited(redis_url=redis.url, redis_loss_reads="local", redis_timeout_s=0.5)
        redis.kill()
        reads = [await call(suite, "look", n=n) for n in range(3)]
        assert [answer.status_code for answer in reads] == [200] * 3
        async with suite.http() as client:
            ready = await client.get(f"{suite.settings.base_url}/readyz")
        assert ready.status_code == 200, "the balancer would send no reads here"
        write = (await call(suite, "change", idempotency_key="while-away")).json()["result"]["structuredContent"]
        assert (write["error"]["code"], write["error"]["retryable"]) == ("unavailable", True)
        redis.start()
        with anyio.fail_after(10):
            while "error" in await suite.call("manager", "change", {"idempotency_key": "back-again"}):
                await anyio.sleep(0.05)
