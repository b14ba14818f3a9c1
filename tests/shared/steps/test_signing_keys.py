"""Which of an issuer's keys are used, and for what."""

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from shared.steps.jwks import Jwks
from tests.shared.steps.issuing import public
from tests.shared.steps.loopback_issuer import FIRST, SECOND, Issuer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "entry",
    [
        public(FIRST, kid="k", use="enc"),
        public(FIRST, kid="k", key_ops=["sign"]),
        public(FIRST, kid="k", key_ops="verify"),
        public(FIRST, kid="k", alg="ES384"),
        public(FIRST, kid="k", alg=["ES256"]),
        public(FIRST, kid=7),
        public(FIRST, kid="k", crv="P-999"),
        public(FIRST, kid="k", x="!!"),
        public(FIRST, kid="k", x=public(SECOND)["x"]),
        public(FIRST, kid="k", kty="RSA"),
        public(FIRST, kid="k", kty=["EC"]),
        public(ECKey.generate_key("P-384"), kid="k"),
        public(ECKey.generate_key("secp256k1"), kid="k"),
        public(OKPKey.generate_key("X25519"), kid="k"),
        FIRST.as_dict(private=True, kid="k"),
        OctKey.import_key(b"k" * 32).as_dict(kid="k"),
        {"kid": "k"},
        "k",
        None,
    ],
)
async def test_a_key_that_does_not_fit_is_left_out_and_the_others_stay(
    issuer: Issuer, jwks: Jwks, entry: object
) -> None:
    issuer.keys.append(entry)
    assert await jwks.find("ES256", "k") is None
    assert await jwks.find("ES256", "first")


async def test_a_short_rsa_key_is_left_out(issuer: Issuer, jwks: Jwks) -> None:
    with pytest.warns(UserWarning, match="2048"):
        short = RSAKey.generate_key(1024)
    issuer.keys = [public(short, kid="short"), public(RSAKey.generate_key(2048), kid="long")]
    assert await jwks.find("RS256", "short") is None
    assert await jwks.find("RS256", "long")


async def test_a_token_without_a_key_id_is_checked_only_if_one_key_fits(issuer: Issuer, jwks: Jwks) -> None:
    issuer.keys.append(public(OKPKey.generate_key("Ed25519"), kid="ed"))
    assert await jwks.find("ES256", None)
    assert await jwks.find("EdDSA", None)
    assert await jwks.find("RS256", None) is None
    assert issuer.fetches == 1
    issuer.keys.append(public(SECOND, kid="second"))
    await jwks.find("ES256", "second")
    assert await jwks.find("ES256", None) is None


async def test_a_key_without_an_id_serves_any_id_only_if_it_alone_fits(issuer: Issuer, jwks: Jwks) -> None:
    issuer.keys.append(public(SECOND))
    nameless = await jwks.find("ES256", "anything")
    assert nameless
    assert nameless.kid is None
    assert (await jwks.find("ES256", "first")) != nameless
    assert issuer.fetches == 1


async def test_two_keys_under_one_id_are_never_guessed_between(issuer: Issuer, jwks: Jwks) -> None:
    issuer.keys.append(public(SECOND, kid="first"))
    assert await jwks.find("ES256", "first") is None
