"""What is no token, or signed by the wrong key, the wrong way."""

import hmac
import json

import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, OctKey

from shared.core.errors import Unauthenticated, Unavailable
from tests.shared.steps.issuing import (
    CLAIMS,
    ED25519,
    HEADER,
    P256,
    P384,
    RSA,
    World,
    b64,
    public,
    replaced,
    signing_input,
    token,
    with_claims,
)

pytestmark = pytest.mark.anyio


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


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT"])
async def test_types_of_access_tokens_are_accepted(world: World, kind: str) -> None:
    await world.verify(token({"typ": kind}))


async def test_the_scheme_is_not_case_sensitive(world: World) -> None:
    await world.verifier.verify(f"bEARER  {token()} ")


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
