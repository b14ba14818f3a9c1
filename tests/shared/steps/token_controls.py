"""The defences that the table of tokens rests on, each with a way to switch it off and with the rows that would tell.

A row that another defence stops as well is there too: with that one's reason.
"""

from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from shared.edge import http as edge
from shared.steps import auth, claims, signing_keys, tokens, validity
from shared.steps.auth import Verifier
from shared.steps.introspection import Introspection
from shared.steps.providers import Provider
from shared.steps.validity import Terms
from tests.shared.steps import claim_rows, token_rows
from tests.shared.steps.matrix_issuers import claims as good_claims
from tests.shared.steps.token_rows import ACCEPTED, Row


def _yes(*_: object) -> bool:
    return True


def _no(*_: object) -> bool:
    return False


def _as_it_stands(value: Any) -> Any:
    return value


def _last_word(authorization: str) -> str:
    return authorization.rpartition(" ")[2]


def _first_header(headers: Headers) -> str:
    return headers["authorization"]


def _first_provider(verifier: Any, _: object) -> Provider:
    return next(iter(verifier._providers.values()))


def _tenant_as_claimed(told: dict[str, str], _: object) -> str:
    return told.get("tenant", "whose")


async def _always_active(*_: object) -> dict[str, Any]:
    return good_claims("opaque")


def _nothing(*_: object) -> None:
    """A check that finds _nothing wrong."""


@dataclass(frozen=True)
class Control:
    """One defence, and what becomes of rows without it: accepted, or stopped by the next one."""

    defence: str
    off: list[tuple[Any, str, Any]]
    becomes: dict[str, str]


def falls(defence: str, off: list[tuple[Any, str, Any]], *rows: str) -> Control:
    return Control(defence, off, dict.fromkeys(rows, ACCEPTED))


def refused(rows: list[Row], reason: str) -> list[str]:
    return [row.name for row in rows if row.outcome == reason]


CONTROLS = [
    falls(
        "the scheme is Bearer",
        [(auth, "bearer", _last_word)],
        "the scheme Basic",
        "the scheme DPoP",
    ),
    falls("tokens are of bounded length", [(tokens, "TOKEN_LIMIT", 2**20)], "longer than may be"),
    falls("there is one header", [(edge, "_authorization", _first_header)], "two headers"),
    Control(
        "algorithms are on a list",
        [(Terms, "check_algorithm", _nothing)],
        {
            "ES384, which is off the list, by a key of the issuer": ACCEPTED,
            "HS256 with the public key (PEM) as its secret": "key",
            "HS256 with the public key (JWK) as its secret": "key",
            "none": "key",
        },
    ),
    Control(
        "a key serves one kind of algorithm",
        [(signing_keys.SigningKey, "fits", _yes)],
        {"PS256 by a key for RS256 alone": ACCEPTED, "ES256 named, an RSA key meant": "signature"},
    ),
    falls("RSA keys are strong", [(signing_keys, "RSA_BITS", 0)], "RS256 by a key of 1024 bits"),
    falls(
        "signatures are checked",
        [(tokens.Jwt, "is_signed_with", _yes)],
        *refused(token_rows.SIGNED, "signature"),
    ),
    Control(
        "headers bring no keys and no extensions",
        [(tokens, "_REFUSED_HEADERS", {})],
        {
            "jwk, the issuer's own": ACCEPTED,
            "jku, signed by the issuer": ACCEPTED,
            "x5u": ACCEPTED,
            "x5c": ACCEPTED,
            "crit, empty": ACCEPTED,
            "jwk, the attacker's": "signature",
            "jku, which serves the attacker's": "signature",
        },
    ),
    falls("a claim is there once", [(tokens, "_once", dict)], "a claim twice"),
    falls(
        "only access tokens count",
        [(Terms, "check_type", _nothing)],
        *refused(token_rows.LABELLED, "type"),
        *refused(claim_rows.SHAPES, "type"),
    ),
    falls(
        "bound tokens do not count without their proof",
        [(validity, "check_kind", _nothing), (auth, "check_kind", _nothing)],
        *refused(token_rows.LABELLED, "bound"),
        *refused(claim_rows.OPAQUE_TOKENS, "bound"),
        *refused(claim_rows.OPAQUE_TOKENS, "type"),
    ),
    falls(
        "the audience is this server",
        [(Terms, "check_audience", _nothing)],
        *refused(claim_rows.AUDIENCES, "audience"),
        *refused(claim_rows.SHAPES, "audience"),
        *refused(claim_rows.OPAQUE_TOKENS, "audience"),
    ),
    falls(
        "tokens have begun, and do not live long",
        [(Terms, "check_times", _nothing)],
        *refused(claim_rows.TIMES, "not_yet_valid"),
        *refused(claim_rows.TIMES, "lifetime"),
        *refused(claim_rows.OPAQUE_TOKENS, "lifetime"),
        "no iat",
    ),
    falls("tokens end", [(Verifier, "_is_over", _no)], "ended, beyond the skew", "opaque, ended"),
    falls(
        "only trusted issuers count",
        [(Verifier, "_of", _first_provider)],
        "an issuer nobody trusts",
        "no issuer",
        "a list of issuers",
        "the issuer with a slash too many",
        "the issuer in capitals",
    ),
    falls(
        "an issuer speaks for its own tenants",
        [(claims, "_tenant", _tenant_as_claimed)],
        *refused(claim_rows.ISSUERS, "tenant"),
        *refused(claim_rows.SHAPES, "tenant"),
    ),
    falls(
        "texts are short and plain",
        [(claims, "_line", _as_it_stands)],
        "a subject too long",
        "a subject that turns the text around",
    ),
    falls("chains of actors are short", [(claims, "ACTORS_LIMIT", 9)], "five actors"),
    falls("the provider's word counts", [(Introspection, "ask", _always_active)], "opaque, unknown"),
]
