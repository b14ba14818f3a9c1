"""Claims → Caller."""

from typing import Any

import pytest

from shared.core.caller import Caller
from shared.core.errors import Unauthenticated
from tests.shared.steps.issuing import ISSUER, NOW, RESOURCE, World, with_claims

pytestmark = pytest.mark.anyio


async def test_a_full_token_becomes_a_caller(world: World) -> None:
    presented = with_claims(
        roles=["support"],
        acr="urn:mfa",
        auth_time=NOW - 60,
        act={"sub": "agent-1", "act": {"sub": "older"}},
        jti="t-1",
        azp="other",
    )
    assert await world.verify(presented) == Caller(
        subject="user-7",
        issuer=ISSUER,
        client="desktop",
        tenant="acme",
        scopes=frozenset({"customers:write", "customers:read"}),
        roles=frozenset({"support"}),
        acr="urn:mfa",
        auth_time=NOW - 60,
        trust="delegated",
        actors=("agent-1", "older"),
        token_id="t-1",
        expires_at=NOW + 600,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["https://other.example", RESOURCE]},
        {"client_id": ..., "azp": "desktop"},
        {"scope": ..., "scp": "customers:write"},
        {"scope": ..., "scp": ["customers:write"]},
        {"nbf": NOW + 29},
        {"iat": NOW + 29},
        {"iat": NOW - 0.5, "exp": NOW + 600.5},
        {"iat": NOW - 600, "exp": NOW - 29},
        {"act": {"sub": "agent"}},
        {"tenant": "a" + "b" * 62},
    ],
)
async def test_what_real_issuers_do_is_accepted(world: World, changes: dict[str, object]) -> None:
    caller = await world.verify(with_claims(**changes))
    assert caller.client == "desktop"
    assert caller.may("customers:read")


async def test_a_token_without_scope_is_a_caller_without_scopes(world: World) -> None:
    assert (await world.verify(with_claims(scope=...))).scopes == frozenset()


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("issuer", {"iss": ...}),
        ("issuer", {"iss": "https://evil.example"}),
        ("issuer", {"iss": ISSUER + "/"}),
        ("issuer", {"iss": ISSUER.upper()}),
        ("issuer", {"iss": [ISSUER]}),
        ("audience", {"aud": ...}),
        ("audience", {"aud": RESOURCE + "/"}),
        ("audience", {"aud": RESOURCE + "x"}),
        ("audience", {"aud": "https://suite.example"}),
        ("audience", {"aud": []}),
        ("audience", {"aud": [1, RESOURCE]}),
        ("audience", {"aud": {RESOURCE: 1}}),
        ("expired", {"iat": NOW - 600, "exp": NOW - 31}),
        ("expired", {"iat": NOW - 600, "exp": NOW - 30}),
        ("not_yet_valid", {"nbf": NOW + 31}),
        ("not_yet_valid", {"iat": NOW + 31}),
        ("lifetime", {"iat": NOW, "exp": NOW + 3601}),
        ("lifetime", {"iat": NOW, "exp": NOW}),
        ("lifetime", {"iat": NOW, "exp": NOW - 1}),
        ("lifetime", {"exp": 2**52}),
        ("claims", {"exp": ...}),
        ("claims", {"iat": ...}),
        ("claims", {"exp": str(NOW + 600)}),
        ("claims", {"exp": True}),
        ("claims", {"exp": 1e300}),
        ("claims", {"exp": -1}),
        ("malformed", {"exp": 10**400}),
        ("claims", {"nbf": None}),
        ("claims", {"nbf": "0"}),
        ("claims", {"sub": ...}),
        ("claims", {"sub": ""}),
        ("claims", {"sub": 7}),
        ("claims", {"sub": "user\0"}),
        ("claims", {"sub": "u" * 513}),
        ("claims", {"client_id": ...}),
        ("claims", {"client_id": "", "azp": "desktop"}),
        ("claims", {"tenant": ...}),
        ("claims", {"tenant": ""}),
        ("claims", {"tenant": "Acme"}),
        ("claims", {"tenant": "acme\n"}),
        ("claims", {"tenant": "-acme"}),
        ("claims", {"tenant": "a" * 64}),
        ("claims", {"tenant": ["acme"]}),
        ("claims", {"scope": 7}),
        ("claims", {"scope": None}),
        ("claims", {"scope": "customers:write \0"}),
        ("claims", {"scope": ["customers:write", 7]}),
        ("claims", {"roles": "admin"}),
        ("claims", {"roles": ["admin\n"]}),
        ("claims", {"roles": [{"name": "admin"}]}),
        ("claims", {"acr": 2}),
        ("claims", {"auth_time": "now"}),
        ("claims", {"act": "agent"}),
        ("claims", {"act": {}}),
        ("claims", {"jti": 3}),
    ],
)
async def test_wrong_claims_are_refused_by_name(world: World, reason: str, changes: dict[str, object]) -> None:
    assert await world.reason(with_claims(**changes)) == reason


async def of(claims: dict[str, Any], **issuer: Any) -> Caller:
    """The caller of a token with these claims, where the issuer is set so."""
    world = World(issuer=issuer)
    try:
        return await world.verify(with_claims(**claims))
    finally:
        await world.aclose()


async def why_not(claims: dict[str, Any], **issuer: Any) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await of(claims, **issuer)
    return refusal.value.reason


@pytest.mark.parametrize(
    ("claims", "path"),
    [
        ({"realm_access": {"roles": ["support"]}}, "realm_access.roles"),
        ({"https://suite.example/roles": ["support"]}, "https://suite.example/roles"),
        ({"resource_access": {"my.api": {"roles": ["support"]}}}, "resource_access.my.api.roles"),
        ({"a.b": {"c": ["support"]}, "a": {"b": {"d": []}}}, "a.b.c"),
        ({"a.b": ["support"], "a": {"b": ["other"]}}, "a.b"),
    ],
)
async def test_a_claim_is_found_by_its_key_or_else_by_a_path(claims: dict[str, Any], path: str) -> None:
    assert (await of(claims, role_claims=[path])).roles == {"support"}


@pytest.mark.parametrize("claims", [{}, {"a": 7}, {"a": {"b": {}}}, {"a": None}, {"a": ["b"]}])
async def test_a_path_that_leads_nowhere_finds_nothing(claims: dict[str, Any]) -> None:
    assert (await of(claims, role_claims=["a.b.c"], default_roles=["guest"])).roles == {"guest"}


async def test_all_claims_with_roles_count_and_names_are_ours_or_left_out() -> None:
    claims = {"roles": ["Agent", "Everyone"], "groups": ["0f-11"]}
    names = {"Agent": "support", "0f-11": "manager"}
    assert (await of(claims, role_claims="roles groups", role_names=names)).roles == {"support", "manager"}
    assert (await of(claims, role_claims="roles groups")).roles == {"Agent", "Everyone", "0f-11"}
    assert (await of({"roles": ["admin"]}, role_names=names, default_roles="guest")).roles == {"guest"}


async def test_scopes_lose_their_prefix_and_get_our_names() -> None:
    said = {"scope": "api://suite/customers:read api://suite/Audit.Read openid"}
    names = {"Audit.Read": "audit:read customers:pii"}
    caller = await of(said, scope_prefix="api://suite/", scope_names=names)
    assert caller.scopes == {"customers:read", "audit:read", "customers:pii", "openid"}


async def test_a_scope_that_only_looks_like_ours_in_another_case_is_none_of_ours() -> None:
    assert not (await of({"scope": "Customers:Read"})).may("customers:read")


@pytest.mark.parametrize(
    ("said", "issuer", "acr"),
    [
        ({"acr": "aal2"}, {}, "aal2"),
        ({"acr": "silver"}, {"acr_names": {"silver": "aal2"}}, "aal2"),
        ({"acr": "1"}, {"acr_names": {"silver": "aal2"}}, "1"),
        ({"acr": "aal1", "amr": ["pwd", "hwk"]}, {"acr_claims": "acr amr", "acr_names": {"hwk": "aal3"}}, "aal3"),
        ({"amr": ["mfa", "hwk", "pwd"]}, {"acr_claims": "amr", "acr_names": {"mfa": "aal2", "hwk": "aal3"}}, "aal3"),
        ({"amr": ["pwd"]}, {"acr_claims": "amr"}, None),
        ({"amr": []}, {"acr_claims": "amr"}, None),
        ({}, {}, None),
    ],
)
async def test_the_strongest_sign_in_that_we_know_counts(
    said: dict[str, Any], issuer: dict[str, Any], acr: str | None
) -> None:
    assert (await of(said, **issuer)).acr == acr


@pytest.mark.parametrize("said", [{"acr": ["aal2", 7]}, {"acr": {"aal2": 1}}, {"acr": ""}, {"acr": "aal2\n"}])
async def test_a_misshapen_sign_in_is_refused(said: dict[str, Any]) -> None:
    assert await why_not(said) == "claims"


@pytest.mark.parametrize(
    ("said", "trust"),
    [
        ({}, "person"),
        ({"sub": "desktop"}, "service"),
        ({"oid": "o-1", "sub": "desktop"}, "service"),
        ({"oid": "desktop"}, "service"),
        ({"idtyp": "app"}, "service"),
        ({"idtyp": "user"}, "person"),
        ({"idtyp": True}, "person"),
        ({"host": "anything"}, "service"),
        ({"act": {"sub": "agent"}}, "delegated"),
        ({"idtyp": "app", "act": {"sub": "agent"}}, "hybrid"),
    ],
)
async def test_who_acts_is_told_by_the_token(said: dict[str, Any], trust: str) -> None:
    facts = {"service_claims": {"idtyp": "app", "host": "*"}}
    subject = {"subject_claim": "oid"} if "oid" in said else {}
    assert (await of(said, **facts, **subject)).trust == trust


async def test_an_issuer_of_one_tenant_is_not_asked_for_it() -> None:
    assert (await of({"tenant": "globex"}, tenant="acme")).tenant == "acme"
    assert (await of({"tenant": ...}, tenant="acme")).tenant == "acme"


async def test_tenants_are_renamed_and_no_others_are_let_in() -> None:
    facts: dict[str, Any] = {"tenant_claim": "org.id", "tenants": {"8F3E": "acme"}}
    assert (await of({"org": {"id": "8F3E"}}, **facts)).tenant == "acme"
    assert await why_not({"org": {"id": "acme"}}, **facts) == "tenant"
    assert await why_not({"org": {"id": ["8F3E"]}}, **facts) == "claims"
    assert await why_not({"tenant": "acme"}, **facts) == "claims"


async def test_the_first_claim_that_is_there_names_the_program() -> None:
    said = {"client_id": ..., "azp": "portal", "cid": "other"}
    assert (await of(said)).client == "portal"
    assert (await of(said, client_claims="cid azp")).client == "other"
    assert await why_not({"client_id": ..., "azp": None, "cid": "other"}) == "claims"


async def test_an_issuers_longest_life_goes_before_the_general_one() -> None:
    a_day = {"iat": NOW, "exp": NOW + 86_400}
    await of(a_day, max_lifetime_s=86_400)
    assert await why_not(a_day) == "lifetime"
    assert await why_not({"iat": NOW, "exp": NOW + 601}, max_lifetime_s=600) == "lifetime"


async def test_an_issuer_may_call_this_server_by_another_name_and_no_other_server() -> None:
    await of({"aud": "api://x"}, audiences={"customers": "api://x"})
    await of({}, audiences={"customers": "api://x"})
    assert await why_not({"aud": "api://x"}, audiences={"documents": "api://x"}) == "audience"
