"""What is remembered of what somebody read, and who was stopped: of whom it is, and of nobody of the same name."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from shared.core.labels import Label
from shared.core.settings import Settings
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.local_seen import LocalSeen
from shared.state.redis import open_redis
from shared.state.redis_seen import RedisSeen
from shared.state.seen import Seen
from shared.state.switches import Switch, Switches
from tests.servers.customers.tenant_hop.forgetting import changed
from tests.servers.customers.tenant_hop.people import TWIN
from tests.servers.customers.tenant_hop.strangers import HERE, SAME_PERSON, STRANGERS, owner_of, somebody

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["local", "redis"])
async def memory(request: pytest.FixtureRequest) -> AsyncGenerator[Seen]:
    settings = Settings()
    if request.param == "local":
        yield LocalSeen(settings)
        return
    server: EmbeddedRedis = request.getfixturevalue("redis_server")
    async with open_redis(server.url, settings) as redis:
        yield RedisSeen(redis, settings)


@pytest.mark.parametrize("who", STRANGERS)
async def test_what_one_has_read_counts_for_nobody_else(memory: Seen, who: str) -> None:
    owner = owner_of(uuid4().hex)
    await memory.note(owner, [Label.CONFIDENTIAL])
    expected = {Label.CONFIDENTIAL} if who in SAME_PERSON else set[Label]()
    assert await memory.lately(somebody(owner, who)) == expected
    assert await memory.lately(owner) == {Label.CONFIDENTIAL}


async def test_the_matrix_sees_it_when_a_memory_is_of_all_tenants(
    memory: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, common = owner_of(uuid4().hex), f"common-{uuid4().hex}"
    for name in ("note", "lately"):
        changed(monkeypatch, memory, name, 0, lambda caller: replace(caller, tenant=common))
    await memory.note(owner, [Label.CONFIDENTIAL])
    assert await memory.lately(somebody(owner, TWIN)) == {Label.CONFIDENTIAL}


OTHER_ISSUER = "the same name of another issuer"

STOPS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "user": ({"kind": "user", "name": "jane"}, {*SAME_PERSON, OTHER_ISSUER}),
    "user of one issuer": ({"kind": "user", "name": "jane", "issuer": "https://idp.example"}, SAME_PERSON),
    "client": ({"kind": "client", "name": "desk"}, {"a colleague", "another login", OTHER_ISSUER}),
    "tenant": ({"kind": "tenant"}, HERE),
}
"""What an administrator of the owner's tenant stops, and whom it stops besides the owner."""


def off(tenant: str, **facts: Any) -> Switches:
    """With that stopped in the tenant, and nothing else."""
    plain: dict[str, Any] = {"server": None, "name": None, "issuer": None, **facts}
    switches = Switches()
    switches.replace([Switch(1, tenant=tenant, reason="test", set_by="test", set_at=datetime.now(UTC), **plain)])
    return switches


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize("what", STOPS)
def test_who_is_stopped_in_one_tenant_is_not_in_another(what: str, who: str) -> None:
    owner, (facts, also) = owner_of(uuid4().hex), STOPS[what]
    switches = off(owner.tenant, **facts)
    assert switches.suspended(owner) is not None
    assert (switches.suspended(somebody(owner, who)) is not None) is (who in also)


@pytest.mark.parametrize("what", STOPS)
def test_the_matrix_sees_it_when_a_stop_is_of_all_tenants(what: str) -> None:
    owner = owner_of(uuid4().hex)
    switches = off("common", **STOPS[what][0])
    assert switches.suspended(replace(somebody(owner, TWIN), tenant="common")) is not None
