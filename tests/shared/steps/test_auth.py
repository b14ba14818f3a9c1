"""Tokens are made here by hand, so that the ones no honest library would issue can be made too."""

import asyncio
import base64
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.core.caller import Caller
from shared.core.errors import Misconfigured, Unauthenticated, Unavailable
from shared.core.settings import Settings
from shared.steps import auth
from shared.steps.auth import Verifier, challenge_401, challenge_403
from shared.steps.jwks import BURST, Jwks

pytestmark = pytest.mark.anyio

ISSUER = "https://idp.example/tenant"
RESOURCE = "https://suite.example/customers/mcp"
NOW = 1_800_000_000
METADATA = "https://suite.example/.well-known/oauth-protected-resource/customers/mcp"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signing_input(header: object, claims: object) -> str:
    return ".".join(b64(json.dumps(part).encode()) for part in (header, claims))


def public(key: Key, **declared: object) -> dict[str, Any]:
    return {**key.as_dict(private=False), **declared}


P256 = ECKey.generate_key("P-256")
P384 = ECKey.generate_key("P-384")
ED25519 = OKPKey.generate_key("Ed25519")
RSA = RSAKey.generate_key(2048)
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": RESOURCE,
    "sub": "user-7",
    "client_id": "desktop",
    "tenant": "acme",
    "scope": "customers:write",
    "iat": NOW - 10,
    "exp": NOW + 600,
}
HEADER: dict[str, Any] = {"alg": "ES256", "typ": "at+jwt", "kid": "p256"}


def token(
    header: dict[str, Any] | None = None,
    claims: object = None,
    key: Key = P256,
    algorithm: str | None = None,
) -> str:
    head = {name: value for name, value in (HEADER | (header or {})).items() if value is not ...}
    message = signing_input(head, CLAIMS if claims is None else claims)
    model = JWSRegistry.algorithms[algorithm or head["alg"]]
    return f"{message}.{b64(model.sign(message.encode(), key))}"


def with_claims(**changes: object) -> str:
    return token(claims={name: value for name, value in (CLAIMS | changes).items() if value is not ...})


@dataclass
class World:
    """A verifier, its issuer over HTTP, and the time."""

    wall: float = NOW
    elapsed: float = 0
    fetches: int = 0
    down: bool = False
    served: list[dict[str, Any]] = field(
        default_factory=lambda: [
            public(P256, kid="p256", use="sig", alg="ES256"),
            public(P384, kid="p384"),
            public(ED25519, kid="ed"),
            public(RSA, kid="rsa", alg="RS256"),
        ]
    )
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        app = Starlette(routes=[Route("/jwks", self._jwks)])
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app))
        settings = Settings(issuer=ISSUER, jwks_url="https://idp.example/jwks", **self.options)
        self.jwks = Jwks(settings, self.client, clock=lambda: self.elapsed)
        self.verifier = Verifier(settings, RESOURCE, self.jwks, clock=lambda: self.wall)

    async def _jwks(self, request: Request) -> Response:
        self.fetches += 1
        await asyncio.sleep(0)
        return Response(status_code=503) if self.down else JSONResponse({"keys": self.served})

    async def verify(self, presented: str) -> Caller:
        return await self.verifier.verify(f"Bearer {presented}")

    async def reason(self, presented: str) -> str:
        with pytest.raises(Unauthenticated) as refusal:
            await self.verify(presented)
        assert refusal.value.description
        assert not any(part in refusal.value.description for part in presented.split(".") if part)
        return refusal.value.reason

    async def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.elapsed += seconds

    async def aclose(self) -> None:
        await self.jwks.aclose()
        await self.client.aclose()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.aclose()


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
        actors=("agent-1",),
        token_id="t-1",
        expires_at=NOW + 600,
    )


@pytest.mark.parametrize(
    ("algorithm", "kid", "key"),
    [
        ("ES256", "p256", P256),
        ("RS256", "rsa", RSA),
        ("EdDSA", "ed", ED25519),
        ("Ed25519", "ed", ED25519),
    ],
)
async def test_each_allowed_algorithm_verifies(world: World, algorithm: str, kid: str, key: Key) -> None:
    await world.verify(token({"alg": algorithm, "kid": kid}, key=key))


@pytest.mark.parametrize("named", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("declared", ["EdDSA", "Ed25519", None])
async def test_both_names_of_eddsa_mean_the_same(named: str, declared: str | None) -> None:
    key = public(ED25519, kid="ed") | ({"alg": declared} if declared else {})
    world = World(served=[key], options={"token_algorithms": (named,)})
    for used in ("EdDSA", "Ed25519"):
        await world.verify(token({"alg": used, "kid": "ed"}, key=ED25519))
    await world.aclose()


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


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT"])
async def test_types_of_access_tokens_are_accepted(world: World, kind: str) -> None:
    await world.verify(token({"typ": kind}))


async def test_the_scheme_is_not_case_sensitive(world: World) -> None:
    await world.verifier.verify(f"bEARER  {token()} ")


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


@pytest.mark.parametrize("claim", ["nonce", "at_hash", "c_hash"])
async def test_id_tokens_are_refused(world: World, claim: str) -> None:
    claims = CLAIMS | {claim: "x"}
    assert await world.reason(token({"typ": "JWT"}, claims)) == "type"
    await world.verify(token({"typ": "at+jwt"}, claims))


@pytest.mark.parametrize(
    ("reason", "header"),
    [
        ("type", {"typ": ...}),
        ("type", {"typ": "id+jwt"}),
        ("type", {"typ": "oauth-id-jag+jwt"}),
        ("type", {"typ": "dpop+jwt"}),
        ("malformed", {"typ": 7}),
        ("malformed", {"crit": ["exp"], "exp": 1}),
        ("malformed", {"crit": []}),
        ("malformed", {"crit": 1}),
        ("malformed", {"crit": ["b64"], "b64": False}),
        ("malformed", {"kid": 7}),
        ("malformed", {"kid": "k" * 600}),
        ("key", {"jwk": public(P256)}),
        ("key", {"jku": "https://evil.example/jwks"}),
        ("key", {"x5u": "https://evil.example/cert"}),
        ("key", {"x5c": ["AAAA"]}),
        ("key", {"kid": "unheard-of"}),
        ("key", {"kid": "p384"}),
        ("key", {"kid": "rsa"}),
        ("key", {"kid": "ed"}),
    ],
)
async def test_wrong_headers_are_refused_by_name(world: World, reason: str, header: dict[str, object]) -> None:
    assert await world.reason(token(header)) == reason


async def test_a_signed_token_beyond_the_limit_is_not_read(world: World) -> None:
    await world.verify(with_claims(padding="x" * 11_000))
    assert await world.reason(with_claims(padding="x" * 12_000)) == "malformed"


async def test_unknown_headers_are_ignored(world: World) -> None:
    await world.verify(token({"x5t": "abc", "vendor": {"a": 1}}))


@pytest.mark.parametrize("secret", ["pem", "der", "jwk", "n"])
async def test_a_public_key_used_as_an_hmac_secret_is_refused(world: World, secret: str) -> None:
    forms = {
        "pem": RSA.as_pem(private=False),
        "der": RSA.as_der(private=False),
        "jwk": json.dumps(world.served[3]).encode(),
        "n": str(world.served[3]["n"]).encode(),
    }
    message = signing_input(HEADER | {"alg": "HS256", "kid": "rsa"}, CLAIMS)
    signature = hmac.digest(forms[secret], message.encode(), "sha256")
    assert await world.reason(f"{message}.{b64(signature)}") == "algorithm"


async def test_a_symmetric_key_among_the_issuers_is_never_used() -> None:
    shared = OctKey.import_key(b"k" * 32)
    world = World(served=[shared.as_dict(kid="p256")])
    assert await world.reason(token({"alg": "HS256"}, key=shared)) == "algorithm"
    assert await world.reason(token()) == "key"
    await world.aclose()


@pytest.mark.parametrize("none", ["none", "None", "NONE", "nOnE", ""])
async def test_an_unsigned_token_is_refused(world: World, none: str) -> None:
    message = signing_input(HEADER | {"alg": none}, CLAIMS)
    assert await world.reason(f"{message}.") == "malformed"
    assert await world.reason(f"{message}.AAAA") == "algorithm"


@pytest.mark.parametrize("algorithm", ["PS256", "RS384", "PS384"])
async def test_a_key_declared_for_one_algorithm_serves_no_other(algorithm: str) -> None:
    world = World(options={"token_algorithms": ("RS256", "PS256", "RS384", "PS384")})
    assert await world.reason(token({"alg": algorithm, "kid": "rsa"}, key=RSA)) == "key"
    await world.aclose()


async def test_a_signature_on_another_curve_than_the_algorithm_names_is_refused(world: World) -> None:
    presented = token({"alg": "ES256", "kid": "p384"}, key=P384, algorithm="ES384")
    assert await world.reason(presented) == "key"


async def test_an_algorithm_off_the_list_is_refused_though_the_issuer_has_the_key(world: World) -> None:
    assert await world.reason(token({"alg": "ES384", "kid": "p384"}, key=P384)) == "algorithm"


async def test_a_key_of_somebody_else_under_a_known_id_is_refused(world: World) -> None:
    assert await world.reason(token(key=ECKey.generate_key("P-256"))) == "signature"


def replaced(header: bytes | None = None, claims: bytes | None = None) -> str:
    head, payload, signature = token().split(".")
    return ".".join((b64(header) if header else head, b64(claims) if claims else payload, signature))


@pytest.mark.parametrize(
    "form",
    [
        "{0}.{1}",
        "{0}.{1}.{2}.{2}",
        "{0}..{2}",
        "{0}.{1}.",
        ".{1}.{2}",
        "{0}.{1}.{2}=",
        "{0}.{1}.{2} {2}",
        "{0}.{1}.{2},Bearer",
        "{0}.{1}.é",
        replaced(claims=b"[]"),
        replaced(claims=b"{"),
        replaced(claims=b'{"exp":NaN}'),
        replaced(claims=b"A" * 16_384),
        replaced(b"[]"),
        replaced(b'"alg b64"'),
        replaced(b'["alg","b64"]'),
        replaced(b"{}"),
        replaced(b"[" * 380),
        replaced(b'{"alg":["ES256"]}'),
    ],
)
async def test_what_is_no_signed_jwt_is_refused(world: World, form: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await world.verify(form.format(*token().split(".")))
    assert refusal.value.reason == "malformed"
    assert world.fetches == 0


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "missing"),
        ("", "missing"),
        ("Basic dXNlcjpwYXNz", "scheme"),
        ("DPoP a.b.c", "scheme"),
        ("a.b.c", "scheme"),
        ("Bearer", "malformed"),
        ("Bearer ", "malformed"),
        ("Bearer opaque", "malformed"),
    ],
)
async def test_what_is_no_bearer_token_is_refused(world: World, header: str | None, reason: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await world.verifier.verify(header)
    assert refusal.value.reason == reason


BASE = token()


@given(
    position=st.integers(0, len(BASE) - 1),
    put=st.one_of(st.sampled_from("ABCabc019-_=+/. \n\0é"), st.integers(0, 255).map(chr)),
)
@bounds(max_examples=300, deadline=None, database=None)
async def test_no_token_with_one_byte_changed_is_accepted(position: int, put: str) -> None:
    changed = BASE[:position] + put + BASE[position + 1 :]
    if changed == BASE:
        return
    world = World()
    await world.verify(BASE)
    with pytest.raises(Unauthenticated):
        await world.verify(changed)
    await world.aclose()


async def test_no_token_with_any_one_bit_changed_is_accepted(world: World) -> None:
    accepted: list[int] = []
    for position in range(len(BASE)):
        for bit in range(7):
            changed = BASE[:position] + chr(ord(BASE[position]) ^ 1 << bit) + BASE[position + 1 :]
            try:
                await world.verify(changed)
            except (Unauthenticated, Unavailable):
                continue
            accepted.append(position)
    assert accepted == []


async def test_a_remembered_token_expires_on_time(world: World) -> None:
    presented = token()
    await world.verify(presented)
    await world.passes(629)
    await world.verify(presented)
    await world.passes(1)
    assert await world.reason(presented) == "expired"


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each signature that is checked."""
    seen: list[object] = []
    check = jws.validate_compact

    def counting(signed: jws.CompactSignature, key: Key, registry: JWSRegistry) -> bool:
        seen.append(signed)
        return check(signed, key, registry=registry)

    monkeypatch.setattr(jws, "validate_compact", counting)
    return seen


async def test_a_signature_is_checked_once_while_its_token_is_remembered(world: World, checked: list[object]) -> None:
    presented = token()
    first = await world.verify(presented)
    assert await world.verify(presented) is first
    assert len(checked) == 1


async def test_refusals_are_not_remembered(world: World, checked: list[object]) -> None:
    presented = with_claims(nbf=NOW + 60)
    assert await world.reason(presented) == "not_yet_valid"
    assert await world.reason(presented) == "not_yet_valid"
    assert len(checked) == 2
    await world.passes(60)
    await world.verify(presented)


async def test_memory_is_bounded_and_keeps_what_is_used(
    world: World, checked: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBERED", 3)
    first, second, third, fourth = [with_claims(jti=str(number)) for number in range(4)]
    for presented in (first, second, third, second, first, fourth):
        await world.verify(presented)
    assert len(checked) == 4
    for presented in (second, first, fourth):
        await world.verify(presented)
    assert len(checked) == 4
    await world.verify(third)
    assert len(checked) == 5


async def test_a_rotated_key_works_from_its_first_token_on(world: World) -> None:
    await world.verify(token())
    rotated = ECKey.generate_key("P-256")
    world.served.append(public(rotated, kid="next"))
    await world.verify(token({"kid": "next"}, key=rotated))
    assert world.fetches == 2


@pytest.mark.parametrize("same_id", [True, False])
async def test_a_remembered_token_dies_with_its_key(world: World, same_id: bool) -> None:
    presented = token()
    await world.verify(presented)
    other = public(ECKey.generate_key("P-256"), kid="p256")
    world.served[:1] = [other] if same_id else []
    await world.passes(301)
    assert await world.reason(presented) == ("signature" if same_id else "key")


async def test_fifty_tokens_of_a_new_key_cost_one_fetch(world: World) -> None:
    await world.verify(token())
    rotated = ECKey.generate_key("P-256")
    world.served.append(public(rotated, kid="next"))
    claims = [CLAIMS | {"jti": str(number)} for number in range(50)]
    presented = [token({"kid": "next"}, each, rotated) for each in claims]
    callers = await asyncio.gather(*map(world.verify, presented))
    assert len(callers) == 50
    assert world.fetches == 2


async def test_a_storm_of_unknown_keys_is_refused_with_few_fetches(world: World) -> None:
    await world.verify(token())
    for _ in range(1000):
        assert await world.reason(token({"kid": secrets.token_hex(8)})) == "key"
    assert world.fetches == BURST
    for _ in range(600):
        await world.passes(0.1)
        await world.reason(token({"kid": secrets.token_hex(8)}))
    assert world.fetches <= 10


async def test_tokens_of_another_issuer_cost_no_fetch(world: World) -> None:
    assert await world.reason(token({"kid": "theirs"}, CLAIMS | {"iss": "https://evil.example"})) == "issuer"
    assert world.fetches == 0


async def test_without_an_issuer_known_keys_serve_for_an_hour(world: World) -> None:
    presented = with_claims(exp=NOW + 3590)
    await world.verify(presented)
    world.down = True
    await world.passes(3500)
    await world.verify(presented)
    await world.verify(with_claims(exp=NOW + 3590, jti="unseen"))
    await world.passes(101)
    for each in (presented, with_claims(iat=NOW + 3500, exp=NOW + 7000)):
        with pytest.raises(Unavailable):
            await world.verify(each)


async def test_without_an_issuer_from_the_start_nothing_is_accepted(world: World) -> None:
    world.down = True
    for _ in range(20):
        with pytest.raises(Unavailable):
            await world.verify(token())
    assert world.fetches == BURST
    world.down = False
    await world.passes(10)
    await world.verify(token())


async def test_the_token_stays_out_of_the_errors(world: World) -> None:
    presented = token(key=ECKey.generate_key("P-256"))
    with pytest.raises(Unauthenticated) as refusal:
        await world.verify(presented)
    said = str(refusal.value) + repr(refusal.value) + str(refusal.value.__cause__)
    assert not any(part in said for part in presented.split("."))
    assert "key=" not in repr(await world.jwks.find("ES256", "p256"))


async def test_an_algorithm_we_cannot_verify_refuses_to_start(world: World) -> None:
    settings = Settings(issuer=ISSUER, token_algorithms=("ES256K",))
    with pytest.raises(Misconfigured):
        Verifier(settings, RESOURCE, world.jwks)


def test_a_first_request_is_challenged_without_an_error() -> None:
    for reason in ("missing", "scheme"):
        value = challenge_401(
            Unauthenticated(reason, "x"), metadata_url=METADATA, scopes=("customers:read", "customers:pii")
        )
        assert value == f'Bearer resource_metadata="{METADATA}", scope="customers:read customers:pii"'


def test_a_refused_token_is_challenged_with_its_reason() -> None:
    error = Unauthenticated("expired", "The access token expired; obtain a new one")
    assert challenge_401(error, metadata_url=METADATA, scopes=("customers:read",)) == (
        'Bearer error="invalid_token", error_description="The access token expired; obtain a new one", '
        f'resource_metadata="{METADATA}", scope="customers:read"'
    )


def test_a_lacking_scope_is_challenged_with_all_the_operation_needs() -> None:
    value = challenge_403(
        ("customers:read", "customers:export"), metadata_url=METADATA, description="Export needs a scope"
    )
    assert value == (
        'Bearer error="insufficient_scope", scope="customers:read customers:export", '
        f'resource_metadata="{METADATA}", error_description="Export needs a scope"'
    )


def test_a_challenge_cannot_be_broken_out_of() -> None:
    value = challenge_403((), metadata_url=METADATA, description='a" b\\\r\nSet-Cookie: x=1')
    assert 'error_description="a bSet-Cookie: x=1"' in value
    assert "scope=" not in value.replace("insufficient_scope", "")
    assert not {"\r", "\n", "\\"} & set(value)


def test_every_description_may_stand_in_a_challenge() -> None:
    for reason, advice in auth.ADVICE.items():
        assert advice.isascii()
        assert not {'"', "\\"} & set(advice), reason
