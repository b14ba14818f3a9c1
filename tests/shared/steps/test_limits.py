"""Who shares which allowance, what is refused first, and what a refusal says; counted in the process."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import anyio
import pytest

from shared.core.caller import Caller
from shared.core.errors import LoopDetected, OverBudget, RateLimited, Shed, Unavailable
from shared.core.request import Kind, Request
from shared.core.settings import Settings
from shared.core.tool import Answer, Arguments, Call, Risk, Tool, WriteArguments
from shared.core.toolset import Toolset
from shared.state.counters import Demand, Taken
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.redis import RedisCounters, open_redis
from shared.steps.demands import Demands
from shared.steps.limits import Limits
from tests.counting import SECOND_US, LocalBench
from tests.generous import LIMITS

pytestmark = pytest.mark.anyio

tools = Toolset()


class Nothing(Arguments):
    pass


class Change(WriteArguments):
    pass


def tool(name: str, **facts: Any) -> Tool:
    known = Toolset()

    async def run(call: Call, query: Nothing) -> Answer:
        """Do it."""
        raise NotImplementedError

    run.__name__ = name
    known.read("here:read", **facts)(run)
    return known.tools[name]


@tools.write("here:write", risk=Risk.LOW)
async def change(call: Call, query: Change) -> Answer:
    """Change."""
    raise NotImplementedError


LOOK, LISTEN, CHANGE = tool("look"), tool("listen"), tools.tools["change"]


def somebody(**facts: Any) -> Caller:
    jane = Caller(f"jane@{uuid4().hex}.example", "https://idp.example", "desk", "acme", frozenset())
    return replace(jane, **facts)


@dataclass
class World:
    """Limits that are generous but for those that are given."""

    given: dict[str, Any]
    bench: LocalBench = field(default_factory=LocalBench)
    pressed: bool = False
    _told: int = 0

    def __post_init__(self) -> None:
        self.settings = Settings(**(LIMITS | self.given))
        self.limits = self.of_server("here")

    def of_server(self, name: str) -> Limits:
        return Limits(self.bench.counters, self.settings, name, pressed=lambda: self.pressed)

    def request(self, one: Tool | None, arguments: dict[str, Any] | None, kind: Kind, **facts: Any) -> Request:
        """Of arguments that nobody asked with before, if none are given."""
        self._told += 1
        return Request("here", kind, one.name if one else "", arguments or {"n": self._told}, **facts)

    async def ask(
        self,
        caller: Caller,
        one: Tool | None = LOOK,
        arguments: dict[str, Any] | None = None,
        kind: Kind = "tool",
        limits: Limits | None = None,
        **facts: Any,
    ) -> dict[str, float]:
        async with (limits or self.limits).admitted(self.request(one, arguments, kind, **facts), caller, one) as left:
            return dict(left)

    async def refusal(self, caller: Caller, one: Tool | None = LOOK, arguments: dict[str, Any] | None = None) -> Any:
        with pytest.raises(RateLimited) as refused:
            await self.ask(caller, one, arguments)
        return refused.value

    async def times(self, caller: Caller, one: Tool | None = LOOK, tries: int = 10, **asked: Any) -> int:
        done = 0
        for _ in range(tries):
            try:
                await self.ask(caller, one, **asked)
            except RateLimited:
                continue
            done += 1
        return done


async def test_callers_tenants_and_issuers_have_allowances_of_their_own() -> None:
    world, jane = World({"burst": 2, "calls_per_minute": 1}), somebody()
    others = [replace(jane, tenant="globex"), replace(jane, issuer="https://other.example"), somebody()]
    assert [await world.times(caller) for caller in (jane, *others)] == [2, 2, 2, 2]


async def test_another_client_or_token_is_no_fresh_allowance() -> None:
    world, jane = World({"burst": 2, "calls_per_minute": 1}), somebody()
    assert await world.times(jane) == 2
    for again in ({"client": "other"}, {"token_id": "new"}, {"scopes": frozenset({"a:b"})}, {"session_id": "new"}):
        assert await world.times(replace(jane, **again)) == 0


async def test_each_tool_has_an_allowance_of_its_own_besides_that_of_the_caller() -> None:
    world, jane = World({"burst": 2, "tool_calls_per_minute": 1}), somebody()
    for one, server in ((LOOK, "here"), (LISTEN, "here"), (LOOK, "there")):
        assert await world.times(jane, one, limits=world.of_server(server)) == 2
        await world.bench.later(SECOND_US)  # the caller's own allowance is whole again, the tool's is not
        assert await world.times(jane, one, limits=world.of_server(server)) == 0
    world = World({"burst": 4, "calls_per_minute": 1})
    assert (await world.times(jane, LOOK, 3), await world.times(jane, LISTEN)) == (3, 1)


async def test_a_tenant_has_a_rate_over_all_its_callers() -> None:
    world = World({"tenant_calls_per_minute": 50})  # five at once
    assert sum([await world.times(somebody(), tries=2) for _ in range(10)]) == 5
    assert await world.times(somebody(tenant="globex")) == 5


async def test_a_client_has_a_rate_over_all_who_use_it_in_a_tenant() -> None:
    world = World({"client_calls_per_minute": 50})
    assert sum([await world.times(somebody(), tries=2) for _ in range(10)]) == 5
    assert await world.times(somebody(client="other")) == 5
    assert await world.times(somebody(tenant="globex")) == 5


async def test_what_a_tool_uses_downstream_has_a_rate_in_each_tenant() -> None:
    mail, post = tool("mail", uses="mail_relay"), tool("post", uses="mail_relay")
    world = World({"resource_calls_per_minute": 50})
    assert await world.times(somebody(), mail, 3) == 3
    assert await world.times(somebody(), post) == 2
    assert await world.times(somebody(), tool("ring", uses="telephone")) == 5
    assert await world.times(somebody(tenant="globex"), mail) == 5
    assert await world.times(somebody(), LOOK) == 10
    strict = World({"resource_calls_per_minute_of": {"mail_relay": 20}})
    assert (await strict.times(somebody(), mail), await strict.times(somebody(), post)) == (2, 0)
    assert (await strict.refusal(somebody(), mail)).limit == "mail_relay_calls_per_minute"


@pytest.mark.parametrize("setting", ["concurrent_calls", "tenant_concurrent_calls"])
async def test_so_many_calls_are_in_progress_at_a_time(setting: str) -> None:
    world, jane = World({setting: 2}), somebody()
    async with world.limits.admitted(world.request(LOOK, None, "tool"), jane, LOOK):
        async with world.limits.admitted(world.request(LISTEN, None, "tool"), jane, LISTEN):
            assert (await world.refusal(jane)).details["limit"] == setting
            assert await world.times(somebody()) == (10 if setting == "concurrent_calls" else 0)
            assert await world.times(somebody(tenant="globex")) == 10
        assert await world.times(jane) == 10


@pytest.mark.parametrize("end", ["failure", "cancellation"])
async def test_a_place_is_given_back_however_the_call_ends(end: str) -> None:
    world, jane = World({"concurrent_calls": 1}), somebody()
    with anyio.move_on_after(5) as scope, suppress(RecursionError):
        async with world.limits.admitted(world.request(LOOK, None, "tool"), jane, LOOK):
            if end == "failure":
                raise RecursionError
            scope.cancel()
            await anyio.sleep_forever()
    assert await world.times(jane) == 10


async def test_no_place_is_held_by_what_lasts() -> None:
    world, jane = World({"concurrent_calls": 1}), somebody()
    for _ in range(3):
        await world.limits.admit(world.request(LOOK, None, "subscription"), jane, LOOK)


async def test_steps_of_a_session_are_counted_over_all_servers_and_kinds() -> None:
    world, jane = World({"session_steps": 6, "session_window_s": 600}), somebody()
    kinds: Sequence[tuple[Tool | None, Kind]] = [
        *((LOOK, "tool"), (LOOK, "resource"), (LOOK, "prompt"), (LOOK, "completion"), (None, "list"))
    ]
    for one, kind in kinds:
        await world.ask(jane, one, kind=kind)
    assert (await world.ask(jane, limits=world.of_server("there")))["steps_left"] == 0
    error = await world.refusal(jane)
    assert (type(error), error.limit, error.retry_after_s, error.retryable) == (OverBudget, "session_steps", 600, True)
    assert "6 requests in 600 s" in error.message
    await world.bench.later(600 * SECOND_US)
    assert (await world.ask(jane))["steps_left"] == 5


async def test_a_budget_is_not_renewed_by_anything_a_client_can_do() -> None:
    world, jane = World({"session_steps": 3}), somebody()
    assert await world.times(jane) == 3
    for again in (
        {"client": "other"},
        {"token_id": "new"},
        {"auth_time": 7},
        {"actors": ("agent",)},
        {"expires_at": 9},
    ):
        assert await world.times(replace(jane, **again)) == 0
    for era in ("2025-06-18", "2025-11-25", "2026-07-28"):
        with pytest.raises(OverBudget):
            await world.ask(jane, era=era, transport="stdio", agent="another", trace_id="new")


async def test_each_login_that_the_identity_provider_names_has_a_budget() -> None:
    world, jane = World({"session_steps": 3}), somebody()
    assert [await world.times(replace(jane, session_id=one)) for one in ("a", "b", "a", None)] == [3, 3, 0, 3]
    assert await world.times(somebody(session_id="a")) == 3, "another's session of the same name"


async def test_money_is_spent_to_the_cent_and_free_calls_go_on() -> None:
    dear, dearer = tool("dear", cost=0.30), tool("dearer", cost=0.31)
    world, jane = World({"session_cost_usd": 1.0}), somebody()
    lefts = [(await world.ask(jane, dear))["cost_left_usd"] for _ in range(3)]
    assert lefts == [0.7, 0.4, 0.1]
    error = await world.refusal(jane, dearer)
    assert (type(error), error.limit) == (OverBudget, "session_cost_usd")
    assert "1.00 USD" in error.message
    assert "dearer costs 0.31" in error.message
    assert error.details["cost_left_usd"] == 0.1
    assert await world.times(jane, LOOK) == 10
    assert await world.times(jane, tool("cheap", cost=0.1)) == 1


async def test_a_call_made_again_and_again_is_a_loop_and_another_is_not() -> None:
    world, jane = World({"same_calls_per_minute": 10}), somebody()
    same = {"customer_id": "C-000001"}
    assert await world.times(jane, LOOK, 15, arguments=same) == 10
    error = await world.refusal(jane, LOOK, same)
    assert (type(error), error.retryable, error.retry_after_s) == (LoopDetected, False, 60)
    for said in ("look was called 10 times", "will not change", "change the arguments", "again in 60 s"):
        assert said in error.message
    assert await world.times(jane, LOOK, 15, arguments={"customer_id": "C-000002"}) == 10
    assert await world.times(jane, LISTEN, 15, arguments=same) == 10
    assert await world.times(somebody(), LOOK, 15, arguments=same) == 10
    assert await world.times(jane, LOOK, 15, arguments=same, limits=world.of_server("there")) == 10
    await world.bench.later(60 * SECOND_US)
    assert await world.times(jane, LOOK, 15, arguments=same) == 10


async def test_the_order_of_arguments_and_a_new_key_make_no_other_call_and_an_answer_does() -> None:
    world, jane = World({"same_calls_per_minute": 2}), somebody()
    first: dict[str, Any] = {"a": 1, "b": {"c": 2, "d": 3}}
    for arguments in (first, {"b": {"d": 3, "c": 2}, "a": 1}):
        await world.ask(jane, CHANGE, arguments)
    for key in ("key-number-1", "key-number-2"):
        assert isinstance(await world.refusal(jane, CHANGE, {**first, "idempotency_key": key}), LoopDetected)
    assert await world.times(jane, CHANGE, 5, arguments={**first, "dry_run": True}) == 2
    for said in ("yes", "no"):
        await world.ask(jane, CHANGE, first, answers={"sure": {"action": "accept", "content": {"said": said}}})


async def test_a_retry_after_a_lost_reply_is_no_loop() -> None:
    world, jane = World({"same_calls_per_minute": 10}), somebody()
    assert await world.times(jane, CHANGE, 10, arguments={"idempotency_key": "the-same-key"}) == 10


async def test_what_is_meant_to_be_repeated_is_no_loop() -> None:
    world, jane = World({"same_calls_per_minute": 2}), somebody()
    assert await world.times(jane, tool("poll", polls=True), arguments={"job": 1}) == 10
    assert await world.times(jane, None, arguments={"cursor": None}, kind="list") == 10
    assert await world.times(jane, LOOK, arguments={"value": "a"}, kind="completion") == 10
    for kind in ("resource", "prompt"):
        assert await world.times(jane, LOOK, arguments={"id": 1}, kind=kind) == 2


async def test_arguments_that_json_cannot_carry_are_counted_like_any_other() -> None:
    world, jane = World({"same_calls_per_minute": 2}), somebody()
    for odd in ({"n": 2**70}, {"text": "\ud800"}):
        assert await world.times(jane, LOOK, arguments=odd) == 2


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ({"session_steps": 10}, "session_steps"),
        ({"session_cost_usd": 1.0}, "session_cost_usd"),
        ({"tenant_calls_per_minute": 100}, "tenant_calls_per_minute"),
    ],
)
async def test_calls_that_can_wait_are_refused_first(given: dict[str, Any], limit: str) -> None:
    world, jane = World(given), somebody()
    waits, critical = tool("export", deferrable=True, cost=0.1), tool("lookup", cost=0.1)
    assert await world.times(jane, waits, 20) == 8
    error = await world.refusal(jane, waits)
    assert (type(error), error.limit, error.retryable, error.retry_after_s > 0) == (Shed, limit, True, True)
    assert "export can wait" in error.message
    assert await world.times(jane, critical, 20) == 2
    spent = await world.refusal(jane, waits)
    assert type(spent) is (OverBudget if "session" in limit else RateLimited), "nothing is left for anybody"


async def test_calls_that_can_wait_leave_places_to_others() -> None:
    world, jane, waits = World({"concurrent_calls": 5, "shed_percent": 40}), somebody(), tool("export", deferrable=True)
    async with anyio.create_task_group() as tasks:
        inside, leave = anyio.Semaphore(0), anyio.Event()

        async def hold() -> None:
            async with world.limits.admitted(world.request(waits, None, "tool"), jane, waits):
                inside.release()
                await leave.wait()

        for _ in range(2):
            tasks.start_soon(hold)
            await inside.acquire()
        assert isinstance(await world.refusal(jane, waits), Shed)
        await world.ask(jane, LOOK)
        leave.set()


async def test_what_can_wait_is_never_locked_out_altogether() -> None:
    world = World({"session_steps": 1, "concurrent_calls": 1, "tenant_calls_per_minute": 1, "shed_percent": 1})
    assert await world.times(somebody(), tool("export", deferrable=True)) == 1


async def test_under_pressure_calls_that_can_wait_are_refused_and_not_charged() -> None:
    world, jane, waits = World({"session_steps": 5}), somebody(), tool("export", deferrable=True)
    world.pressed = True
    for _ in range(10):
        error = await world.refusal(jane, waits)
        assert (type(error), error.limit) == (Shed, "pressure")
    assert (await world.ask(jane, LOOK))["steps_left"] == 4
    world.pressed = False
    assert (await world.ask(jane, waits, {"n": 1}))["steps_left"] == 3


async def test_answers_and_refusals_say_what_is_left_of_ones_own() -> None:
    settings = {
        "burst": 5,
        "calls_per_minute": 1,
        "session_steps": 9,
        "session_cost_usd": 2,
        "tenant_calls_per_minute": 60,
    }
    world, jane = World(settings), somebody()
    assert await world.ask(jane, tool("dear", cost=0.5)) == {"calls_left": 4, "steps_left": 8, "cost_left_usd": 1.5}
    assert await world.ask(jane, None) == {"calls_left": 3, "steps_left": 7, "cost_left_usd": 1.5}
    assert await world.times(jane) == 3
    error = await world.refusal(jane)
    left = {"calls_left": 0, "steps_left": 4, "cost_left_usd": 1.5}
    assert error.details == {"retry_after_s": 60.0, "limit": "calls_per_minute", **left}
    assert "calls_per_minute is 1 a minute, 5 at once" in error.message


async def test_a_tools_own_allowance_is_what_is_left_of_it() -> None:
    world, jane = World({"burst": 5, "tool_calls_per_minute": 1}), somebody()
    assert [(await world.ask(jane, one))["calls_left"] for one in (LOOK, LOOK, LISTEN)] == [4, 3, 2]


async def test_reads_go_on_by_themselves_while_the_counters_are_away_if_that_is_allowed() -> None:
    world, jane = World({"calls_per_minute": 1, "burst": 3}), somebody()
    shared, spare = Flaky(), LocalBench()
    limits = Limits(shared, world.settings, "here", spare.counters)
    shared.away = True
    assert await world.times(jane, LOOK, limits=limits) == 3, "they are limited, in the process"
    with pytest.raises(Unavailable):
        await world.ask(jane, CHANGE, limits=limits)
    asked = shared.asked
    assert await world.times(somebody(), None, 3, limits=limits) == 3
    assert shared.asked == asked, "every read waited for what is away"
    shared.away = False
    await world.ask(jane, CHANGE, limits=limits)
    with anyio.fail_after(10):
        while shared.asked == asked + 1:
            await world.times(somebody(), LOOK, 1, limits=limits)


async def test_without_leave_reads_are_refused_like_writes() -> None:
    world, shared = World({}), Flaky(away=True)
    limits = Limits(shared, world.settings, "here")
    for one in (LOOK, CHANGE, None):
        with pytest.raises(Unavailable):
            await world.ask(somebody(), one, limits=limits)


@dataclass
class Flaky:
    away: bool = False
    asked: int = 0
    inner: LocalBench = field(default_factory=LocalBench)

    async def take(self, demand: Demand, digest: str | None = None) -> Taken:
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        return await self.inner.counters.take(demand, digest)

    def release(self, demand: Demand, lease: str) -> None:
        self.inner.counters.release(demand, lease)

    async def check(self) -> None: ...


async def test_keys_name_the_tenant_and_nobody_else_and_are_in_one_slot(redis_server: EmbeddedRedis) -> None:
    slow = dict.fromkeys(("tenant_calls_per_minute", "client_calls_per_minute", "resource_calls_per_minute"), 1)
    settings = Settings(**slow)  # their keys live for a minute
    jane = somebody(tenant="a}c{me:x", session_id="session-of-jane")
    async with open_redis(redis_server.url, settings) as redis:
        limits = Limits(RedisCounters(redis, settings), settings, "here")
        request = Request("here", "tool", "send", {"to": "jane@private.example"})
        send = tool("send", uses="mail_relay", cost=0.1)
        async with limits.admitted(request, jane, send):
            found: list[bytes] = [key async for key in redis.scan_iter("suite:{a%7Dc%7Bme%3Ax}:*")]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    keys = {key.decode() for key in found}
    assert len(keys) == 10
    private = (jane.subject, "jane", "idp.example", "desk", "session-of", "private")
    assert not any(word in key for key in keys for word in private)


def test_demands_are_kept_for_so_many_callers_and_tools() -> None:
    demands, jane = Demands(Settings(), "here"), somebody()
    first = demands.of(jane, "tool", LOOK)
    assert demands.of(jane, "tool", LOOK) is first
    for _ in range(5_000):
        demands.of(somebody(), "tool", LOOK)
    assert len(demands._known) == 4096  # pyright: ignore[reportPrivateUsage]
    assert demands.of(jane, "tool", LOOK) == first
