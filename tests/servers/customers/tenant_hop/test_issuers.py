"""Two who are called the same by two issuers are two, each of the tenant its issuer vouches for, whatever it says."""

import json
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from compose.idp.provider import IdentityProvider
from shared.state.jobs import book
from shared.steps import claims
from tests.conformance.loopback import Handler, listening
from tests.harness import Databases
from tests.own_redis import own_redis
from tests.servers.customers.tenant_hop.asking import effects, state_tried
from tests.servers.customers.tenant_hop.forgetting import changed, forget_in_cursors
from tests.servers.customers.tenant_hop.people import FOREIGNERS, Person
from tests.servers.customers.tenant_hop.rows import ROWS, Owned, owned_by, tried
from tests.servers.customers.tenant_hop.talks import session_tried, stream_tried
from tests.servers.customers.tenant_hop.world import Hop, open_hop

pytestmark = pytest.mark.anyio

OTHER, SECOND = FOREIGNERS
"""Of an issuer that vouches for another tenant, and of one that vouches for the owner's too."""


@contextmanager
def published(provider: IdentityProvider) -> Generator[str]:
    """Where the provider's keys are."""

    class Keys(Handler):
        def do_GET(self) -> None:  # noqa: N802 - the base class's name
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(provider.key_set()).encode())

    with listening(Keys) as url:
        yield url


@pytest.fixture(scope="module")
async def hop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Hop]:
    folder = tmp_path_factory.mktemp("issuers")
    other, second = (IdentityProvider(f"https://{name}.example", resources={}) for name in ("other", "second"))

    def issuers(url: str) -> dict[str, Any]:
        return {
            "mock": {"url": f"{url}/idp", "tenant": "acme", "shares_tenants": True},
            "other": {"url": other.issuer, "jwks_url": others, "tenant": "globex"},
            "second": {"url": second.issuer, "jwks_url": seconds, "tenant": "acme", "shares_tenants": True},
        }

    with published(other) as others, published(second) as seconds, own_redis(folder) as redis:
        async with open_hop(databases, folder, redis_url=redis.url, issuers=issuers) as opened:
            opened.issuers = {"other": other, "second": second}
            yield opened


@pytest.fixture(scope="module")
async def owned(hop: Hop) -> Owned:
    return await owned_by(hop.person())


THEIRS = {"customer", "customer resource", "customer in a prompt", "completion", "change"}
"""Rows of what belongs to a tenant, whoever of it."""


@pytest.mark.parametrize(
    ("name", "who"),
    # A change can be taken back but once, and the tenant's own may.
    [(name, who) for name in ROWS for who in FOREIGNERS if (name, who) != ("change", SECOND)],
)
async def test_a_handle_is_nothing_to_a_namesake_of_another_issuer(hop: Hop, owned: Owned, name: str, who: str) -> None:
    row = ROWS[name]
    (stolen, made_up), own = await tried(hop, owned, row, who, "modern")
    assert row.says not in own.text
    assert row.says in made_up[1]
    assert (stolen == made_up) is (who == OTHER or name not in THEIRS)


@pytest.mark.parametrize("who", FOREIGNERS)
async def test_a_key_is_a_fresh_key_to_a_namesake_of_another_issuer(hop: Hop, who: str) -> None:
    word = uuid4().hex
    new = {"name": f"N{word}", "segment": "consumer", "country": "DE", "idempotency_key": f"key-{word}"}
    ids = [
        (await person.told("create_customer", **new))["customer"]["id"] for person in (hop.person(), hop.person(who))
    ]
    assert len(set(ids)) == 2
    rows = await hop.suite.sql("SELECT tenant_id FROM customers.customers WHERE name = $1", new["name"])
    assert sorted(row["tenant_id"] for row in rows) == ["acme", "globex" if who == OTHER else "acme"]


@pytest.mark.parametrize("who", FOREIGNERS)
async def test_a_state_a_session_and_a_stream_are_nothing_to_a_namesake_of_another_issuer(hop: Hop, who: str) -> None:
    thing = f"hop-{uuid4().hex}"
    for stolen, made_up in (
        await state_tried(hop, who, thing),
        await session_tried(hop, who, "calling a tool"),
        await stream_tried(hop, who),
    ):
        assert stolen == made_up
    assert await effects(hop, thing) == ["acme"]


async def test_an_issuer_moves_nobody_into_a_tenant_it_does_not_vouch_for(hop: Hop) -> None:
    """The token says acme; its issuer vouches for globex."""
    namesake = hop.person(OTHER)
    assert namesake.claims["tenant"] == "acme"
    await namesake.told("search_customers", query="an")
    found = [
        r for r in await hop.suite.records(subject=namesake.claims["sub"]) if r["issuer"] == "https://other.example"
    ]
    assert {record["tenant"] for record in found} == {"globex"}


async def test_no_issuer_signs_for_another(hop: Hop) -> None:
    for who, issuer in ((OTHER, hop.suite.provider.issuer), (SECOND, "https://other.example")):
        person: Person = hop.person(who)
        answer = await hop.suite.post(person.token(iss=issuer), "tools/list", {})
        assert answer.status_code == 401


async def flips(hop: Hop, owned: Owned, name: str, who: str) -> bool:
    """Whether a handle of the owner's is another thing to somebody than one of nobody's."""
    (stolen, made_up), _ = await tried(hop, owned, ROWS[name], who, "modern")
    return stolen != made_up


async def test_the_matrix_sees_it_when_the_issuer_counts_for_nothing(
    hop: Hop, owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        forget_in_cursors(patch, 1)
        assert await flips(hop, owned, "cursor", SECOND)
    with monkeypatch.context() as patch:
        owner = hop.suite.provider.issuer
        changed(patch, book, "_owner", 0, lambda caller: replace(caller, issuer=owner))
        assert await flips(hop, owned, "job", SECOND)
    with monkeypatch.context() as patch:
        changed(patch, claims, "_tenant", 1, lambda issuer: issuer.model_copy(update={"tenant": None}))
        assert await flips(hop, owned, "customer", OTHER)
