"""How our servers prove who they are."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from shared.core.errors import Misconfigured
from shared.core.issuers import Issuer
from shared.state.client_assertion import ASSERTION_TYPE, LIFETIME_S, authenticate

pytestmark = pytest.mark.anyio

ENDPOINT = "https://idp.example/token"


def with_key(path: Path, entry: object, **facts: Any) -> Issuer:
    path.write_text(json.dumps(entry))
    return Issuer(url="https://idp.example", client_id="suite", client_key=path, **facts)


@pytest.mark.parametrize(
    ("key", "declared", "algorithm"),
    [
        (ECKey.generate_key("P-256"), {}, "ES256"),
        (ECKey.generate_key("P-384"), {}, "ES384"),
        (RSAKey.generate_key(2048), {}, "RS256"),
        (RSAKey.generate_key(2048), {"alg": "PS256", "kid": "k-1"}, "PS256"),
        (OKPKey.generate_key("Ed25519"), {}, "Ed25519"),
        (OKPKey.generate_key("Ed25519"), {"alg": "EdDSA"}, "EdDSA"),
    ],
)
@pytest.mark.filterwarnings("ignore:EdDSA")
async def test_a_key_signs_who_we_are_for_one_endpoint_and_a_minute(
    tmp_path: Path, key: Key, declared: dict[str, str], algorithm: str
) -> None:
    issuer = with_key(tmp_path / "key.json", {**key.as_dict(private=True), **declared})
    proof, again = [await authenticate(issuer, ENDPOINT) for _ in range(2)]
    assert proof.headers == {}
    assert (proof.form["client_id"], proof.form["client_assertion_type"]) == ("suite", ASSERTION_TYPE)
    told = jwt.decode(proof.form["client_assertion"], key, algorithms=[algorithm])
    assert (told.header["alg"], told.header.get("kid")) == (algorithm, declared.get("kid"))
    claims = told.claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("suite", "suite", ENDPOINT)
    assert claims["exp"] - claims["iat"] == LIFETIME_S
    assert abs(claims["iat"] - time.time()) < 60
    assert claims["jti"] != jwt.decode(again.form["client_assertion"], key, algorithms=[algorithm]).claims["jti"]


async def test_the_audience_is_what_the_issuer_wants(tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256")
    issuer = with_key(tmp_path / "key.json", key.as_dict(private=True), client_audience="https://idp.example")
    proof = await authenticate(issuer, ENDPOINT)
    assert jwt.decode(proof.form["client_assertion"], key).claims["aud"] == "https://idp.example"


async def test_a_key_that_was_replaced_is_used_at_once(tmp_path: Path) -> None:
    issuer = with_key(tmp_path / "key.json", ECKey.generate_key("P-256").as_dict(private=True))
    await authenticate(issuer, ENDPOINT)
    new = ECKey.generate_key("P-256")
    (tmp_path / "key.json").write_text(json.dumps(new.as_dict(private=True)))
    jwt.decode((await authenticate(issuer, ENDPOINT)).form["client_assertion"], new)


@pytest.mark.parametrize(
    "entry",
    [
        ECKey.generate_key("P-256").as_dict(private=False),
        ECKey.generate_key("secp256k1").as_dict(private=True),
        OctKey.import_key(b"k" * 32).as_dict(alg="HS256"),
        {"kty": "EC"},
        {},
        [],
        "text",
    ],
)
async def test_what_is_no_private_key_is_said_to_be_none_and_not_shown(tmp_path: Path, entry: object) -> None:
    issuer = with_key(tmp_path / "key.json", entry)
    with pytest.raises(Misconfigured, match="no private key") as refusal:
        await authenticate(issuer, ENDPOINT)
    assert refusal.value.__cause__ is None
    assert "kty" not in str(refusal.value)


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    issuer = Issuer(url="https://idp.example", client_id="suite", client_key=tmp_path / "none.json")
    with pytest.raises(Misconfigured, match=r"none\.json"):
        await authenticate(issuer, ENDPOINT)


async def test_without_credentials_there_is_no_proof() -> None:
    with pytest.raises(Misconfigured, match="client_id"):
        await authenticate(Issuer(url="https://idp.example"), ENDPOINT)


async def test_a_secret_is_sent_as_basic_each_part_encoded_for_itself() -> None:
    issuer = Issuer.model_validate({"url": "https://x.example", "client_id": "a:b", "client_secret": "c d%/ü"})
    proof = await authenticate(issuer, ENDPOINT)
    scheme, _, encoded = proof.headers["Authorization"].partition(" ")
    assert (scheme, proof.form) == ("Basic", {})
    assert base64.b64decode(encoded) == b"a%3Ab:c+d%25%2F%C3%BC"
    assert encoded not in repr(proof)
