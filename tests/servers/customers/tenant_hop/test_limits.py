"""Who counts in whose allowance: nobody of another tenant ever does, and of the own tenant those who should."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from shared.core.caller import Caller
from shared.core.errors import RateLimited
from shared.core.request import Request
from shared.core.settings import Settings
from shared.core.tool import Answer, Arguments, Call, Tool
from shared.core.toolset import Toolset
from shared.state.counters import Counters
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.local import LocalCounters
from shared.state.redis import RedisCounters, open_redis
from shared.steps.demands import Demands
from shared.steps.limits import Left, Limits
from tests.generous import LIMITS
from tests.servers.customers.tenant_hop.forgetting import changed
from tests.servers.customers.tenant_hop.people import TWIN
from tests.servers.customers.tenant_hop.strangers import HERE, SAME_PERSON, STRANGERS, owner_of, somebody

pytestmark = pytest.mark.anyio

SHARED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "calls_per_minute": ({"calls_per_minute": 1, "burst": 1}, SAME_PERSON),
    "tool_calls_per_minute": ({"tool_calls_per_minute": 1, "burst": 1}, SAME_PERSON),
    "client_calls_per_minute": ({"client_calls_per_minute": 1}, {"a colleague", "another login"}),
    "tenant_calls_per_minute": ({"tenant_calls_per_minute": 1}, HERE),
    "relay_calls_per_minute": ({"resource_calls_per_minute": 1}, HERE),
    "concurrent_calls": ({"concurrent_calls": 1}, SAME_PERSON),
    "tenant_concurrent_calls": ({"tenant_concurrent_calls": 1}, HERE),
    "session_steps": ({"session_steps": 1}, {"another client"}),
    "session_cost_usd": ({"session_cost_usd": 1}, {"another client"}),
    "same_calls_per_minute": ({"same_calls_per_minute": 1}, SAME_PERSON),
}
"""For each limit, by its name: settings under which one call uses it up, and for whom besides the owner it then is."""

tools = Toolset()


class Nothing(Arguments):
    pass


@tools.read("here:read", uses="relay", cost=1)
async def look(call: Call, query: Nothing) -> Answer:
    """Look."""
    raise NotImplementedError


LOOK: Tool = tools.tools["look"]


@pytest.fixture(params=["local", "redis"])
async def counters(request: pytest.FixtureRequest) -> AsyncGenerator[Counters]:
    if request.param == "local":
        yield LocalCounters(clock=lambda: 1_700_000_000_000_000)
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    settings = Settings()
    async with open_redis(server.url, settings) as redis:
        shared = RedisCounters(redis, settings)
        yield shared
        await shared.aclose()


@asynccontextmanager
async def calling(limits: Limits, caller: Caller) -> AsyncGenerator[Left | str]:
    """What is left to the caller while the call is made, or the limit that refused it."""
    async with AsyncExitStack() as stack:
        try:
            said = await stack.enter_async_context(limits.admitted(Request("here", "tool", "look"), caller, LOOK))
        except RateLimited as refusal:
            said = refusal.limit
        yield said


async def told(counters: Counters, limit: str, who: str) -> tuple[Left | str, Left | str, Left | str]:
    """What somebody is told where nobody called, and after the owner used the limit up; and the owner then."""
    settings = Settings(**(LIMITS | SHARED[limit][0]))
    limits, fresh = Limits(counters, settings, "here"), Limits(LocalCounters(), settings, "here")
    owner = owner_of(uuid4().hex)
    async with calling(fresh, somebody(owner, who)) as untouched:
        pass
    async with calling(limits, owner), calling(limits, owner) as refused, calling(limits, somebody(owner, who)) as said:
        return untouched, said, refused


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize("limit", SHARED)
async def test_what_one_used_up_is_used_up_for_nobody_of_another_tenant(
    counters: Counters, limit: str, who: str
) -> None:
    untouched, said, refused = await told(counters, limit, who)
    assert refused == limit
    if who in SHARED[limit][1]:
        assert said == limit
    elif STRANGERS[who].get("tenant"):
        assert said == untouched, "not a single call of another tenant is counted"
    else:
        assert said != limit


def test_every_limit_is_in_the_matrix() -> None:
    demand = Demands(Settings(), "here").of(owner_of("x"), "tool", LOOK)
    assert {limit.name for limit in demand.limits} == SHARED.keys()


@pytest.mark.parametrize("limit", SHARED)
async def test_the_matrix_sees_it_when_allowances_are_of_all_tenants(
    counters: Counters, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = f"common-{uuid4().hex}"
    changed(monkeypatch, Demands, "_make", 1, lambda caller: replace(caller, tenant=common))
    _, said, _ = await told(counters, limit, TWIN)
    assert said == limit
