"""THE TABLE of tokens, first half: how they are sent, signed and labelled. `test_token_matrix.py` plays it.

name     what is sent
make     the token, or all that is sent; made when it is played
outcome  `accepted`, or the reason of the 401 (`ADVICE`)
caller   what an accepted token says of its caller
"""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from shared.steps.tokens import TOKEN_LIMIT
from tests.shared.steps.issuing import b64, public, signing_input
from tests.shared.steps.matrix_issuers import ATTACKER, KEYS, KID, OUT_THERE, claims, signed

ACCEPTED = "accepted"


@dataclass
class Sent:
    """A request; `tools/list` but for what is said."""

    authorization: list[str] = field(default_factory=list[str])
    query: str = ""
    body: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Row:
    name: str
    make: Callable[[], str | Sent]
    outcome: str
    caller: dict[str, Any] = field(default_factory=dict[str, Any])


def header(value: Callable[[str], str]) -> Callable[[], Sent]:
    """A good token in a header of another form."""
    return lambda: Sent([value(signed())])


def resigned(spoil: Callable[[str], str]) -> str:
    """A good token with its claims, as text, spoilt and then signed: only its issuer could do that."""
    head = json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": KID})
    message = b64(head.encode()) + "." + b64(spoil(json.dumps(claims())).encode())
    return f"{message}.{b64(JWSRegistry.algorithms['ES256'].sign(message.encode(), KEYS['main'][KID]))}"


def unsigned(alg: str, signature: str = "AAAA") -> str:
    return f"{signing_input({'alg': alg, 'typ': 'at+jwt', 'kid': KID}, claims())}.{signature}"


def confused(form: str) -> str:
    """HS256, its secret the public key that everybody can fetch."""
    key = KEYS["main"]["rsa"]
    assert isinstance(key, RSAKey)
    secret = key.as_pem(private=False) if form == "pem" else json.dumps(public(key, kid="rsa")).encode()
    message = signing_input({"alg": "HS256", "typ": "at+jwt", "kid": "rsa"}, claims())
    return f"{message}.{b64(hmac.digest(secret, message.encode(), 'sha256'))}"


def attackers(path: str) -> str:
    """A URL of the attacker's, which answers."""
    return f"{OUT_THERE['origin']}/attacker/{path}"


def tampered() -> str:
    head, _, signature = signed().split(".")
    return ".".join((head, b64(json.dumps(claims(scope="customers:admin")).encode()), signature))


def padded(length: int) -> str:
    """A good token of about this length."""
    return signed(padding="x" * ((length - len(signed())) * 3 // 4))


SENT = [
    Row("nothing", Sent, "missing"),
    Row("an empty header", lambda: Sent([""]), "missing"),
    Row("bearer in small letters", header("bearer {}".format), ACCEPTED),
    Row("BEARER in capitals", header("BEARER {}".format), ACCEPTED),
    Row("the scheme Basic", header("Basic {}".format), "scheme"),
    Row("the scheme DPoP", header("DPoP {}".format), "scheme"),
    Row("no scheme", header("{}".format), "scheme"),
    Row("no blank after the scheme", header("Bearer{}".format), "scheme"),
    Row("a tab after the scheme", header("Bearer\t{}".format), "scheme"),
    Row("two blanks after the scheme", header("Bearer  {}".format), ACCEPTED),
    Row("a blank within", header(lambda good: f"Bearer {good[:40]} {good[40:]}"), "malformed"),
    Row("two tokens in one header", header(lambda good: f"Bearer {good}, Bearer {good}"), "malformed"),
    Row("two headers", lambda: Sent([f"Bearer {signed()}", f"Bearer {signed()}"]), "two"),
    Row("in quotes", header('Bearer "{}"'.format), "malformed"),
    Row("in the query", lambda: Sent(query=f"?access_token={signed()}"), "missing"),
    Row("in the body", lambda: Sent(body={"access_token": signed()}), "missing"),
    Row("as long as may be", lambda: padded(TOKEN_LIMIT - 400), ACCEPTED),
    Row("longer than may be", lambda: padded(TOKEN_LIMIT + 400), "malformed"),
]

SIGNED = [
    Row(
        "ES256", signed, ACCEPTED, {"subject": "user-7", "tenant": "acme", "trust": "person", "issuer": claims()["iss"]}
    ),
    Row("RS256", lambda: signed(by="rsa"), ACCEPTED),
    Row("PS256", lambda: signed(header={"alg": "PS256"}, by="rsa"), ACCEPTED),
    Row("EdDSA", lambda: signed(by="ed"), ACCEPTED),
    Row("Ed25519, as RFC 9864 says", lambda: signed(header={"alg": "Ed25519"}, by="ed"), ACCEPTED),
    Row("none", lambda: unsigned("none"), "algorithm"),
    Row("none without a signature", lambda: unsigned("none", ""), "malformed"),
    Row("NonE", lambda: unsigned("NonE"), "algorithm"),
    Row("no algorithm at all", lambda: unsigned(""), "algorithm"),
    Row("HS256 with the public key (PEM) as its secret", lambda: confused("pem"), "algorithm"),
    Row("HS256 with the public key (JWK) as its secret", lambda: confused("jwk"), "algorithm"),
    Row("ES384, which is off the list, by a key of the issuer", lambda: signed(by="p384"), "algorithm"),
    Row("PS256 by a key for RS256 alone", lambda: signed(header={"alg": "PS256"}, by="rs256-only"), "key"),
    Row("ES256 named, an RSA key meant", lambda: signed(header={"kid": "rsa"}), "key"),
    Row("RS256 by a key of 1024 bits", lambda: signed("short", tenant=...), "key"),
    Row("a stranger's signature under a known id", lambda: signed(key=ATTACKER), "signature"),
    Row("claims changed after signing", tampered, "signature"),
    Row("another key of the same issuer", lambda: signed(key=KEYS["main"]["second"]), "signature"),
    Row("another issuer's key under its own id", lambda: signed(by="other", key=KEYS["other"]["other"]), "key"),
]

LABELLED = [
    Row("kid unknown", lambda: signed(header={"kid": "unheard-of"}), "key"),
    Row("kid absent, and two keys would fit", lambda: signed(header={"kid": ...}), "key"),
    Row("kid absent, and one key fits", lambda: signed(header={"kid": ...}, by="ed"), ACCEPTED),
    Row("kid that two keys have", lambda: signed("twins", tenant=...), "key"),
    Row("kid as a path", lambda: signed(header={"kid": "../../../../dev/null"}), "key"),
    Row("kid as SQL", lambda: signed(header={"kid": "x' UNION SELECT 'key'--"}), "key"),
    Row("kid as a URL", lambda: signed(header={"kid": "https://attacker.example/jwks"}), "key"),
    Row("kid as a command", lambda: signed(header={"kid": "|/usr/bin/id"}), "key"),
    Row("kid empty", lambda: signed(header={"kid": ""}), "key"),
    Row("kid very long", lambda: signed(header={"kid": "k" * 5000}), "malformed"),
    Row("kid a number", lambda: signed(header={"kid": 7}), "malformed"),
    Row("kid a list", lambda: signed(header={"kid": [KID]}), "malformed"),
    Row("kid null", lambda: signed(header={"kid": None}), "malformed"),
    Row("jwk, the attacker's", lambda: signed(header={"jwk": public(ATTACKER)}, key=ATTACKER), "key"),
    Row("jwk, the issuer's own", lambda: signed(header={"jwk": public(KEYS["main"][KID])}), "key"),
    Row(
        "jku, which serves the attacker's",
        lambda: signed(header={"jku": attackers("jwks")}, key=ATTACKER),
        "key",
    ),
    Row("jku, signed by the issuer", lambda: signed(header={"jku": attackers("jwks")}), "key"),
    Row("x5u", lambda: signed(header={"x5u": attackers("cert")}), "key"),
    Row("x5c", lambda: signed(header={"x5c": ["AAAA"]}), "key"),
    Row("x5t, which is only a name", lambda: signed(header={"x5t": "AAAA"}), ACCEPTED),
    Row("crit", lambda: signed(header={"crit": ["exp"], "exp": 1}), "malformed"),
    Row("crit, empty", lambda: signed(header={"crit": []}), "malformed"),
    Row("b64 switched off", lambda: signed(header={"crit": ["b64"], "b64": False}), "malformed"),
    Row("typ application/at+jwt", lambda: signed(header={"typ": "application/at+jwt"}), ACCEPTED),
    Row("typ AT+JWT", lambda: signed(header={"typ": "AT+JWT"}), ACCEPTED),
    Row("typ JWT", lambda: signed(header={"typ": "JWT"}), ACCEPTED),
    Row("typ absent, where the issuer says one", lambda: signed(header={"typ": ...}), "type"),
    Row("typ of a logout token", lambda: signed(header={"typ": "logout+jwt"}), "type"),
    Row("typ of a DPoP proof", lambda: signed(header={"typ": "dpop+jwt"}), "type"),
    Row("typ a number", lambda: signed(header={"typ": 7}), "malformed"),
    Row("an ID token", lambda: signed(header={"typ": "JWT"}, nonce="n-1", at_hash="AAAA"), "type"),
    Row("bound to a key by DPoP", lambda: signed(cnf={"jkt": "AAAA"}), "bound"),
    Row("bound to a certificate", lambda: signed(cnf={"x5t#S256": "AAAA"}), "bound"),
]
