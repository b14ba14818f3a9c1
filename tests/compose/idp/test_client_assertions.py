import hmac
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, JWKRegistry, OctKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64encode

from compose.idp.client_assertions import ClientAssertions
from compose.idp.clients import Client
from compose.idp.refusals import OAuthError
from tests.compose.idp.assertions import assertion, proof
from tests.compose.idp.flow import CALLBACK, CUSTOMERS, ISSUER, Flow

pytestmark = pytest.mark.anyio

MACHINE = "acme-sync"


async def ask(flow: Flow, form: dict[str, str], **extra: Any) -> httpx.Response:
    data = {"grant_type": "client_credentials", "resource": CUSTOMERS, **form}
    return await flow.http.post("/idp/token", data=data, **extra)


@pytest.mark.parametrize("audience", [f"{ISSUER}/token", ISSUER, [ISSUER]])
async def test_a_machine_proves_itself_with_its_key(flow: Flow, audience: Any) -> None:
    text = assertion(flow, MACHINE, flow.provider.machine_key(MACHINE), aud=audience)
    answer = await ask(flow, proof(text))
    assert answer.status_code == 200, answer.text
    claims = (await flow.verified(answer.json()["access_token"])).claims
    assert (claims["sub"], claims["client_id"], claims["tenant"]) == (MACHINE, MACHINE, "acme")


async def test_it_works_for_introspection_and_revocation_too(flow: Flow) -> None:
    key = flow.provider.machine_key(MACHINE)
    token = (await ask(flow, proof(assertion(flow, MACHINE, key)))).json()["access_token"]
    for path, expected in (("introspect", True), ("revoke", None), ("introspect", False)):
        for audience in (f"{ISSUER}/token", f"{ISSUER}/{path}"):
            form = {"token": token, **proof(assertion(flow, MACHINE, key, aud=audience))}
            answer = await flow.http.post(f"/idp/{path}", data=form)
            assert (answer.status_code, answer.json().get("active")) == (200, expected)
    elsewhere = assertion(flow, MACHINE, key, aud=f"{ISSUER}/introspect")
    assert (await ask(flow, proof(elsewhere))).json()["error"] == "invalid_client"


async def test_a_server_introspects_with_its_key(flow: Flow) -> None:
    client_id, _ = flow.provider.resource_server(CUSTOMERS)
    text = assertion(flow, client_id, flow.provider.resource_server_key(CUSTOMERS))
    form = {"token": flow.provider.mint("support", CUSTOMERS), **proof(text)}
    assert (await flow.http.post("/idp/introspect", data=form)).json()["active"] is True


async def test_an_assertion_works_once(flow: Flow) -> None:
    text = assertion(flow, MACHINE, flow.provider.machine_key(MACHINE))
    statuses = [(await ask(flow, proof(text))).status_code for _ in range(2)]
    assert statuses == [200, 401]
    assert flow.told("client_authentication_failed")[0]["method"] == "private_key_jwt"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example/token"},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": []},
        {"aud": None},
        {"iss": "acme-triage"},
        {"sub": "acme-triage"},
        {"sub": None},
        {"exp": None},
        {"exp": 1_799_999_999},
        {"exp": 1_800_000_600},
        {"exp": "soon"},
        {"exp": True},
        {"iat": 1_800_000_120},
        {"nbf": 1_800_000_120},
        {"nbf": "now"},
        {"jti": None},
        {"jti": 7},
        {"jti": ""},
        {"jti": "x" * 300},
    ],
)
async def test_an_assertion_that_says_something_else_is_refused(flow: Flow, claims: dict[str, Any]) -> None:
    text = assertion(flow, MACHINE, flow.provider.machine_key(MACHINE), **claims)
    answer = await ask(flow, proof(text))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("typ", ["JWT", "client-authentication+jwt", "application/client-authentication+jwt"])
async def test_types_that_name_an_assertion_are_accepted(flow: Flow, typ: str) -> None:
    text = assertion(flow, MACHINE, flow.provider.machine_key(MACHINE), {"typ": typ})
    assert (await ask(flow, proof(text))).status_code == 200


async def test_another_type_another_key_and_no_asymmetric_signature_are_refused(flow: Flow) -> None:
    key: Any = flow.provider.machine_key(MACHINE)
    signed = assertion(flow, MACHINE, key, {"alg": "ES256"}).split(".")
    header = urlsafe_b64encode(b'{"alg":"HS256"}').decode()
    mac = hmac.digest(key.as_pem(private=False), f"{header}.{signed[1]}".encode(), "sha256")
    forged = [
        assertion(flow, MACHINE, key, {"typ": "at+jwt"}),
        assertion(flow, MACHINE, flow.provider.machine_key("acme-triage")),
        assertion(flow, MACHINE, ECKey.generate_key("P-256"), {"kid": key.kid}),
        assertion(flow, MACHINE, ECKey.generate_key("P-256"), {"kid": "other"}),
        assertion(flow, MACHINE, None, {"alg": "none"}),
        f"{header}.{signed[1]}.{urlsafe_b64encode(mac).decode()}",
        assertion(flow, MACHINE, OctKey.import_key(flow.provider.machine_secret(MACHINE)), {"alg": "HS256"}),
        "x.y.z",
        "x",
        "",
    ]
    for text in forged:
        answer = await ask(flow, proof(text, client_id=MACHINE))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), text
    assert (await ask(flow, proof(assertion(flow, MACHINE, key), client_id=MACHINE))).status_code == 200


async def test_who_signs_for_another_client_is_refused(flow: Flow) -> None:
    text = assertion(flow, MACHINE, flow.provider.machine_key("acme-triage"), iss="acme-triage", sub=MACHINE)
    assert (await ask(flow, proof(text))).json()["error"] == "invalid_client"
    text = assertion(flow, MACHINE, flow.provider.machine_key(MACHINE))
    assert (await ask(flow, proof(text, client_id="acme-triage"))).json()["error"] == "invalid_request"


async def test_an_assertion_comes_alone_and_with_its_type(flow: Flow) -> None:
    text = assertion(flow, MACHINE, flow.provider.machine_key(MACHINE))
    secret = flow.provider.machine_secret(MACHINE)
    assert (await ask(flow, proof(text, client_secret=secret))).json()["error"] == "invalid_request"
    assert (await ask(flow, proof(text), auth=(MACHINE, secret))).json()["error"] == "invalid_request"
    for kind in ("", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"):
        answer = await ask(flow, proof(text, client_assertion_type=kind))
        assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ECKey.generate_key("P-256"), "ES256"),
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS256"),
        (OKPKey.generate_key("Ed25519", {"alg": "EdDSA"}), "EdDSA"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
    ],
    ids=["ES256", "RS256", "PS256", "EdDSA", "Ed25519"],
)
async def test_a_program_registers_its_key_and_signs_in_with_it(flow: Flow, key: Any, algorithm: str) -> None:
    jwks = {"keys": [key.as_dict(private=False)]}
    client = await flow.register(token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    assert ("client_secret" in client, client["jwks"]) == (False, jwks)
    bare = JWKRegistry.import_key({k: v for k, v in key.as_dict(private=True).items() if k != "alg"})
    code = (await flow.login())["code"]
    text = assertion(flow, flow.client_id, bare, {"alg": algorithm})
    assert (await flow.redeem(code, **proof(text))).status_code == 200
    assert (await flow.redeem((await flow.login())["code"])).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        {"keys": []},
        {"keys": "x"},
        {"keys": [ECKey.generate_key("P-256").as_dict(private=False)] * 6},
        {"keys": [ECKey.generate_key("P-256").as_dict(private=True)]},
        {"keys": [ECKey.generate_key("P-256", {"use": "enc"}).as_dict(private=False)]},
        {"keys": [ECKey.generate_key("secp256k1").as_dict(private=False)]},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]},
        {"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]},
        {"keys": [{"kty": "EC"}]},
        {"keys": [7]},
    ],
)
async def test_keys_that_cannot_prove_anything_are_refused(flow: Flow, jwks: Any) -> None:
    body = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks}
    answer = await flow.http.post("/idp/register", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


async def test_when_too_many_are_remembered_none_is_taken_rather_than_one_forgotten(flow: Flow) -> None:
    key = flow.provider.machine_key(MACHINE)
    client = Client(MACHINE, "x", ("private_key_jwt",), keys=(key,))
    assertions = ClientAssertions(ISSUER, flow.clock, capacity=2)
    first = assertion(flow, MACHINE, key)
    assert assertions.proves(first, client)
    assert assertions.proves(assertion(flow, MACHINE, key), client)
    with pytest.raises(OAuthError, match="minute"):
        assertions.proves(assertion(flow, MACHINE, key), client)
    assert not assertions.proves(first, client)
    flow.clock.now += 60
    assert assertions.proves(assertion(flow, MACHINE, key), client)
