"""Tokens that only their provider can read, and tokens it is asked about besides."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from compose.idp.provider import IdentityProvider, idp_app
from shared.core.caller import Caller
from shared.core.errors import Misconfigured, Unauthenticated, Unavailable
from shared.core.settings import Settings
from shared.steps import introspection as module
from shared.steps.auth import Verifier
from shared.steps.introspection import BURST, KNOWN_AT_ONCE, STRANGERS_AT_ONCE
from shared.steps.providers import Provider, open_providers
from tests.shared.steps.issuing import CLAIMS, ISSUER, NOW, P256, RESOURCE, public, token, with_claims

pytestmark = pytest.mark.anyio

ASKED: dict[str, Any] = {
    "url": ISSUER,
    "jwks_url": "https://idp.example/jwks",
    "introspect": "opaque",
    "introspection_url": "https://idp.example/introspect",
    "client_id": "suite:1",
    "client_secret": "s3cret %/",
}
ACTIVE: dict[str, Any] = {"active": True, **CLAIMS}


@dataclass
class World:
    """A verifier, and providers whose every answer a test can change."""

    issuers: dict[str, dict[str, Any]] = field(default_factory=lambda: {"it": ASKED})
    wall: float = NOW
    elapsed: float = 0
    answers: dict[str, Any] = field(default_factory=lambda: {"good": ACTIVE})
    instead: Response | None = None
    hold: asyncio.Event | None = None
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        routes = [Route("/jwks", self._jwks), Route("/{path:path}", self._introspect, methods=["POST"])]
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=routes)))
        settings = Settings.model_validate({"issuers": self.issuers})
        self.providers = {
            issuer.url: Provider.of(issuer, settings, self.client, clock=lambda: self.elapsed, wall=lambda: self.wall)
            for issuer in settings.trusted_issuers
        }
        self.verifier = Verifier(settings, "customers", RESOURCE, self.providers, clock=lambda: self.wall)

    async def _jwks(self, _: Request) -> Response:
        return JSONResponse({"keys": [public(P256, kid="p256")]})

    async def _introspect(self, request: Request) -> Response:
        form = {name: value[0] for name, value in parse_qs((await request.body()).decode()).items()}
        self.asked.append({"path": request.url.path, "authorization": request.headers.get("authorization", ""), **form})
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        if self.hold is not None:
            await self.hold.wait()
        self.at_once -= 1
        return self.instead or JSONResponse(self.answers.get(form["token"], {"active": False}))

    async def verify(self, presented: str = "good") -> Caller:
        return await self.verifier.verify(f"Bearer {presented}")

    async def reason(self, presented: str = "good") -> str:
        with pytest.raises(Unauthenticated) as refusal:
            await self.verify(presented)
        return refusal.value.reason

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.elapsed += seconds


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for provider in world.providers.values():
        await provider.aclose()
    await world.client.aclose()


async def test_an_opaque_token_is_what_its_provider_says(world: World) -> None:
    caller = await world.verify()
    assert (caller.subject, caller.tenant, caller.issuer) == ("user-7", "acme", ISSUER)
    basic = base64.b64encode(b"suite%3A1:s3cret+%25%2F").decode()
    asked = {"path": "/introspect", "authorization": f"Basic {basic}"}
    assert world.asked == [{**asked, "token": "good", "token_type_hint": "access_token"}]


async def test_a_provider_may_want_a_signature_instead_of_a_secret(world: World, tmp_path: Any) -> None:
    key = ECKey.generate_key("P-256")
    path = tmp_path / "key.json"
    path.write_text(httpx.Response(200, json=key.as_dict(private=True)).text)
    own = {**ASKED, "client_key": path}
    del own["client_secret"]
    signing = World({"it": own})
    await signing.verify()
    (asked,) = signing.asked
    claims = jwt.decode(asked["client_assertion"], key).claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("suite:1", "suite:1", ASKED["introspection_url"])
    assert (asked["authorization"], asked["client_id"]) == ("", "suite:1")


async def test_a_positive_answer_is_kept_for_seconds(world: World) -> None:
    first = await world.verify()
    world.passes(9)
    assert await world.verify() is first
    assert len(world.asked) == 1
    world.passes(1)
    await world.verify()
    assert len(world.asked) == 2


async def test_an_answer_is_not_kept_past_the_end_of_the_token(world: World) -> None:
    world.answers["good"] = ACTIVE | {"exp": NOW + 3}
    await world.verify()
    world.passes(3)
    del world.answers["good"]
    assert await world.reason() == "inactive"


async def test_without_a_cache_every_request_asks() -> None:
    world = World({"it": {**ASKED, "introspection_cache_s": 0}})
    for _ in range(3):
        await world.verify()
    del world.answers["good"]
    assert await world.reason() == "inactive"
    assert len(world.asked) == 4


async def test_a_negative_answer_counts_at_once_and_is_not_kept(world: World) -> None:
    await world.verify()
    world.passes(10)
    del world.answers["good"]
    assert await world.reason() == "inactive"
    assert await world.reason() == "inactive"
    assert len(world.asked) == 3
    world.answers["good"] = ACTIVE
    await world.verify()


async def test_what_one_server_heard_counts_for_all() -> None:
    world = World()
    settings = Settings.model_validate({"issuers": world.issuers})
    other = Verifier(settings, "x", "https://x.example", world.providers, clock=lambda: world.wall)
    world.answers["good"] = ACTIVE | {"aud": [RESOURCE, "https://x.example"]}
    await world.verify()
    await other.verify("Bearer good")
    assert len(world.asked) == 1


async def test_fifty_callers_share_one_question(world: World) -> None:
    callers = await asyncio.gather(*(world.verify() for _ in range(50)))
    assert {caller.subject for caller in callers} == {"user-7"}
    assert len(world.asked) == 1


async def test_a_caller_that_leaves_does_not_take_the_answer_from_the_others(world: World) -> None:
    world.hold = asyncio.Event()
    leaving, staying = (asyncio.create_task(world.verify()) for _ in range(2))
    while not world.asked:
        await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    world.hold.set()
    assert await staying
    assert len(world.asked) == 1


async def test_a_storm_of_random_tokens_is_bounded_and_locks_nobody_out(world: World) -> None:
    await world.verify()
    told: list[str] = []
    for number in range(1000):
        try:
            told.append(await world.reason(f"random-{number}"))
        except Unavailable:
            told.append("unavailable")
    assert told.count("inactive") == len(world.asked) - 1 == BURST - 1
    assert told.count("unavailable") == 1000 - (BURST - 1)
    world.passes(10)
    for number in range(1000):
        with pytest.raises((Unauthenticated, Unavailable)):
            await world.verify(f"again-{number}")
    await world.verify()  # it has to be asked about again, and is: the provider knew it


async def test_few_questions_are_open_at_a_time(world: World) -> None:
    await asyncio.gather(*(world.verify(f"random-{number}") for number in range(40)), return_exceptions=True)
    assert world.most_at_once <= STRANGERS_AT_ONCE
    world.answers |= {f"known-{number}": ACTIVE | {"jti": str(number)} for number in range(40)}
    world.passes(10)
    await asyncio.gather(*(world.verify(f"known-{number}") for number in range(40)))
    world.passes(10)
    world.most_at_once = 0
    await asyncio.gather(*(world.verify(f"known-{number}") for number in range(40)))
    assert world.most_at_once <= KNOWN_AT_ONCE


async def test_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    world.answers |= dict.fromkeys(("second", "third"), ACTIVE)
    for presented in ("good", "second", "third", "third", "good"):
        await world.verify(presented)
    assert [asked["token"] for asked in world.asked] == ["good", "second", "third", "good"]


@pytest.mark.parametrize(
    "answer",
    [
        Response(status_code=500),
        Response(status_code=401),
        Response("[]", media_type="application/json"),
        Response("active", media_type="application/json"),
        Response('{"active": true}' + " " * 2**17, media_type="application/json"),
    ],
)
async def test_what_is_no_answer_lets_nobody_in(world: World, answer: Response) -> None:
    await world.verify()
    world.passes(10)
    world.instead = answer
    with capture_logs() as logs, pytest.raises(Unavailable):
        await world.verify()
    assert [(entry["event"], entry["issuer"]) for entry in logs] == [("introspection_failed", ISSUER)]
    world.instead = None
    await world.verify()


async def test_a_provider_that_hangs_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.05)
    world.hold = asyncio.Event()
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await world.verify()
    world.hold.set()


async def test_where_nobody_can_be_asked_an_opaque_token_is_malformed() -> None:
    world = World({"it": {"url": ISSUER, "jwks_url": "https://idp.example/jwks"}})
    assert await world.reason() == "malformed"
    assert not world.asked


async def test_a_jwt_is_not_asked_about_unless_that_is_wanted(world: World) -> None:
    await world.verify(token())
    assert not world.asked


async def test_a_jwt_is_asked_about_after_its_signature_and_again_each_few_seconds() -> None:
    world = World({"it": {**ASKED, "introspect": "always"}})
    presented = token()
    world.answers = {presented: {"active": True, "exp": NOW + 600}}
    assert await world.reason(token(key=ECKey.generate_key("P-256"))) == "signature"
    assert not world.asked
    first = await world.verify(presented)
    assert await world.verify(presented) is first
    assert len(world.asked) == 1
    world.answers = {}
    world.passes(10)
    assert await world.reason(presented) == "inactive"
    assert await world.reason(with_claims(jti="unseen")) == "inactive"


OTHER = {**ASKED, "url": "https://other.example", "introspection_url": "https://other.example/second"}


def two() -> World:
    tenants: list[dict[str, Any]] = [{"tenants": {"acme": "acme"}}, {"tenants": {"globex": "globex"}}]
    return World({"first": ASKED | tenants[0], "second": OTHER | tenants[1]})


async def test_providers_are_asked_in_their_order_until_one_knows_the_token() -> None:
    world = two()
    world.answers = {}
    assert await world.reason() == "inactive"
    assert [asked["path"] for asked in world.asked] == ["/introspect", "/second"]


async def test_no_provider_can_vouch_for_anothers_tenant_or_name() -> None:
    world = two()
    world.answers["good"] = ACTIVE | {"tenant": "globex"}
    assert await world.reason() == "tenant"
    world = two()
    world.answers["good"] = ACTIVE | {"iss": "https://other.example", "tenant": "globex"}
    assert await world.reason() == "issuer"


async def test_credentials_that_cannot_be_used_refuse_to_start(tmp_path: Any) -> None:
    own = {name: value for name, value in ASKED.items() if name != "client_secret"}
    settings = Settings.model_validate({"issuers": {"it": {**own, "client_key": tmp_path / "none.json"}}})
    with pytest.raises(Misconfigured, match="client_key"):
        async with open_providers(settings):
            pass


@pytest.mark.parametrize("url", ["http://idp.example/introspect", "ftp://127.0.0.1/x"])
async def test_tokens_are_sent_over_tls_alone(url: str) -> None:
    settings = Settings.model_validate({"issuers": {"it": {**ASKED, "introspection_url": url}}})
    settings = settings.model_copy(update={"environment": "prod"})  # these refuse it too
    with pytest.raises(Misconfigured):
        async with open_providers(settings):
            pass


async def test_the_mock_provider_is_found_by_its_metadata_and_has_the_last_word() -> None:
    mock = IdentityProvider(ISSUER, resources={RESOURCE: ["customers:read"]})
    client_id, secret = mock.resource_server(RESOURCE)
    trusted = {"url": ISSUER, "introspect": "always", "client_id": client_id, "client_secret": secret}
    settings = Settings.model_validate({"issuers": {"it": trusted}})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(idp_app(mock))) as client:
        provider = Provider.of(settings.trusted_issuers[0], settings, client)
        verifier = Verifier(settings, "customers", RESOURCE, {ISSUER: provider})
        assert (await verifier.verify(f"Bearer {mock.mint('manager', RESOURCE)}")).tenant == "acme"
        not_as_it_issues_them = mock.mint("manager", RESOURCE, aud=[RESOURCE])
        with pytest.raises(Unauthenticated) as refusal:
            await verifier.verify(f"Bearer {not_as_it_issues_them}")
        assert refusal.value.reason == "inactive"
        await provider.aclose()
