from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import JWKRegistry, KeySet
from joserfc.util import urlsafe_b64decode

from compose.idp.keys import SigningKeys
from compose.idp.provider import IdentityProvider
from compose.idp.refusals import OAuthError
from shared.core.errors import Misconfigured
from tests.compose.idp.flow import CUSTOMERS, ISSUER, RESOURCES, Clock, Flow

pytestmark = pytest.mark.anyio


async def test_the_key_set_is_public_and_names_keys_by_thumbprint(flow: Flow) -> None:
    (key,) = (await flow.jwks())["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert "d" not in key
    bare = {name: key[name] for name in ("kty", "crv", "x", "y")}
    assert key["kid"] == JWKRegistry.import_key(bare).thumbprint()


async def test_after_a_rotation_old_tokens_verify_until_they_end(flow: Flow) -> None:
    old = flow.provider.mint("support", CUSTOMERS)
    flow.provider.rotate()
    new = flow.provider.mint("support", CUSTOMERS)
    first, second = await flow.verified(old), await flow.verified(new)
    assert first.header["kid"] != second.header["kid"]
    flow.clock.now += 599
    await flow.verified(old)
    flow.clock.now += 1
    assert len((await flow.jwks())["keys"]) == 1
    with pytest.raises(InvalidKeyIdError):
        await flow.verified(old)


async def test_a_minted_token_holds_all_the_persona_holds_there_or_exactly_what_is_said(flow: Flow) -> None:
    mint = flow.provider.mint
    manager = (await flow.verified(mint("manager", CUSTOMERS))).claims
    assert manager["scope"] == "customers:read customers:write customers:pii"
    assert (manager["client_id"], manager["acr"]) == ("mcp-suite", "aal1")
    bent = mint("manager", "https://x.example", ["a:b"], -5, tenant=None, sub="s", scp=["a:b"], client_id="c")
    claims = (await flow.verified(bent)).claims
    assert (claims["sub"], claims["scope"], claims["scp"], claims["client_id"]) == ("s", "a:b", ["a:b"], "c")
    assert "tenant" not in claims
    assert claims["exp"] - claims["iat"] == -5
    with pytest.raises(OAuthError):
        mint("manager", "https://x.example")


def test_keys_and_machine_secrets_outlive_the_process_in_private_files(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    clock = Clock()
    first = IdentityProvider(ISSUER, resources=RESOURCES, clock=clock, keys_dir=folder)
    token = first.mint("support", CUSTOMERS)
    first.rotate()
    second = SigningKeys(clock, folder)
    jwt.decode(token, KeySet.import_key_set(second.public()), algorithms=["ES256"])
    again = IdentityProvider(ISSUER, resources=RESOURCES, keys_dir=folder)
    assert first.machine_secret("acme-sync") == again.machine_secret("acme-sync")
    assert first.machine_key("acme-sync").as_dict() == again.machine_key("acme-sync").as_dict()
    assert first.resource_server_key(CUSTOMERS).as_dict() == again.resource_server_key(CUSTOMERS).as_dict()
    assert {path.name for path in folder.iterdir()} == {
        "idp-keys.json",
        "idp-machines.json",
        "idp-machine-keys.json",
        "idp-resources.key",
    }
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


async def test_a_restart_keeps_the_signing_key_and_a_rotation_before_it_the_old_one(tmp_path: Path) -> None:
    clock = Clock()

    def started() -> IdentityProvider:
        return IdentityProvider(ISSUER, resources=RESOURCES, clock=clock, keys_dir=tmp_path)

    first = started()
    old = first.mint("support", CUSTOMERS)
    assert started().key_set() == first.key_set()
    first.rotate()
    second = started()
    assert second.key_set()["keys"] == first.key_set()["keys"]
    new = second.mint("support", CUSTOMERS)
    kids = [jwt.decode(token, KeySet.import_key_set(second.key_set())).header["kid"] for token in (new, old)]
    assert kids == [key["kid"] for key in second.key_set()["keys"] if "kid" in key]


async def test_an_id_token_verifies_after_a_rotation(flow: Flow) -> None:
    await flow.register()
    token = (await flow.tokens(scope="customers:read openid"))["id_token"]
    flow.provider.rotate()
    flow.clock.now += 599
    await flow.verified(token)


def test_a_token_signed_by_another_process_verifies_after_a_rotation(tmp_path: Path) -> None:
    clock = Clock()
    serving = IdentityProvider(ISSUER, resources=RESOURCES, clock=clock, keys_dir=tmp_path)
    clock.now += 24 * 3600
    token = IdentityProvider(ISSUER, resources=RESOURCES, clock=clock, keys_dir=tmp_path).mint("support", CUSTOMERS)
    serving.rotate()
    clock.now += 599
    jwt.decode(token, KeySet.import_key_set(serving.key_set()), algorithms=["ES256"])


def test_a_key_file_others_can_read_is_refused(tmp_path: Path) -> None:
    SigningKeys(Clock(), tmp_path)
    (tmp_path / "idp-keys.json").chmod(0o644)
    with pytest.raises(Misconfigured, match="chmod 600"):
        SigningKeys(Clock(), tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "[{}]", '{"a": 1}', '[{"jwk": {"kty": "EC"}, "needed_until": 0}]'])
def test_a_damaged_key_file_is_refused_with_advice(tmp_path: Path, content: str) -> None:
    SigningKeys(Clock(), tmp_path)
    (tmp_path / "idp-keys.json").write_text(content)
    with pytest.raises(Misconfigured, match="delete it"):
        SigningKeys(Clock(), tmp_path)


def test_a_key_file_of_another_algorithm_is_rotated(tmp_path: Path) -> None:
    SigningKeys(Clock(), tmp_path)
    keys = SigningKeys(Clock(), tmp_path, "RS256").public()["keys"]
    assert [key["alg"] for key in keys] == ["RS256", "ES256"]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256"])
def test_it_signs_with_what_real_providers_sign_with(algorithm: str) -> None:
    clock = Clock()
    keys = SigningKeys(clock, algorithm=algorithm)
    token = keys.sign({"exp": clock.now + 1}, "at+jwt")
    assert jwt.decode(token, KeySet.import_key_set(keys.public()), algorithms=[algorithm]).header["alg"] == algorithm


def test_an_edwards_signature_says_eddsa_and_its_key_ed25519(tmp_path: Path) -> None:
    clock = Clock()
    provider = IdentityProvider(ISSUER, resources=RESOURCES, clock=clock, keys_dir=tmp_path, algorithm="EdDSA")
    token = provider.mint("support", CUSTOMERS)
    (key,) = provider.key_set()["keys"]
    assert (key.get("kty"), key.get("crv"), key.get("alg")) == ("OKP", "Ed25519", "EdDSA")
    header, payload, signature = token.split(".")
    assert orjson.loads(urlsafe_b64decode(header.encode()))["alg"] == "EdDSA"
    verifying = Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(str(key.get("x")).encode()))
    verifying.verify(urlsafe_b64decode(signature.encode()), f"{header}.{payload}".encode())
    assert SigningKeys(clock, tmp_path, "EdDSA").read(token) is not None


def test_symmetric_keys_are_no_keys_of_a_provider() -> None:
    with pytest.raises(Misconfigured, match="HS256"):
        SigningKeys(Clock(), algorithm="HS256")
