"""Why what was sent cannot be read as a token: mostly it was cut, quoted, or is another kind of token."""

import json
import re
from base64 import urlsafe_b64decode
from typing import Any, cast

from shared.ops.token_doctor.words import shown
from shared.steps.tokens import TOKEN_LIMIT, looks_signed

_AS_ISSUED = "Send the value of `access_token`, exactly as the provider issued it."
_CHANGED = f"It was cut or changed on the way. {_AS_ISSUED}"
_JWS_PARTS = 3
_JWE_PARTS = 5
_BROUGHT = {"jwk": "a key", "jku": "the URL of keys", "x5u": "the URL of a certificate", "x5c": "a certificate"}


def why_unread(reason: str, token: str) -> tuple[str, str]:
    """Why the verifier found no token, or none that it could read: `missing`, `scheme` or `malformed`."""
    if reason == "missing":
        return "form: no token was sent", "Send it in the header: Authorization: Bearer TOKEN. No other place counts."
    if reason == "scheme":
        return "form: it is not sent with the scheme Bearer", "Send it as Authorization: Bearer TOKEN."
    if len(token) > TOKEN_LIMIT:
        fix = "Let the provider put less into it: groups of this application alone, no profile claims."
        return f"form: the token has {len(token)} characters; {TOKEN_LIMIT} are the most", fix
    for is_so, what in (
        (token.startswith("{"), "this is JSON, as the token endpoint answers"),
        (token[:1] in {'"', "'", "<"}, "the token is in quotes or brackets"),
        (any(letter.isspace() for letter in token), "there are blanks or line ends in the token"),
    ):
        if is_so:
            return f"form: {what}", _AS_ISSUED
    return why_not_parsed(token, reason) if looks_signed(token) else _why_not_signed(token)


def why_not_parsed(token: str, reason: str) -> tuple[str, str]:
    """Why something with the three parts of a JWT is none that we read."""
    header = header_of(token)
    if reason == "key":
        brought = next((what for name, what in _BROUGHT.items() if name in (header or {})), "a key")
        text = f"header: the token brings {brought} of its own, and keys are taken from the issuer alone"
        return (
            text,
            "Let the provider sign without jwk, jku, x5u and x5c in the header. If it was not it, it is an attack.",
        )
    if header is None:
        return "header: the first part is no JSON object", _CHANGED
    if "crit" in header:
        return (
            "header: `crit` demands an extension (RFC 7515 §4.1.11); none is known here",
            "Obtain one without `crit`.",
        )
    for name in ("alg", "kid", "typ"):
        if name in header and not isinstance(header[name], str):
            return f"header: `{name}` is no text", "Obtain a token from a provider that follows RFC 7515."
    if not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token, re.ASCII):
        return "form: a part of the token is empty, or has characters of no JWT", _AS_ISSUED
    text = "form: a part is not base64url, its JSON is no object, or a name is in it twice; or the header is too long"
    return text, _CHANGED


def _why_not_signed(token: str) -> tuple[str, str]:
    """What a token is that is no JWS, where no provider is asked about such."""
    if token.count(".") == _JWE_PARTS - 1 and (header_of(token) or {}).get("enc"):
        fix = (
            "Ask the provider for a signed one: Auth0 encrypts where no audience was asked for (its `audience` or "
            "`resource` parameter); Entra ID where the API has a key for token encryption."
        )
        return "form: this is an encrypted JWT (JWE), which only its recipient can read", fix
    if not re.fullmatch(r"[\w.~+/-]+=*", token, re.ASCII):
        return "form: the token has characters that no token has", _CHANGED
    parts = token.count(".") + 1
    what = "an opaque token" if parts == 1 else f"no JWT: it has {parts} parts, and a JWT {_JWS_PARTS}"
    fix = (
        "Most providers give a JWT once an API (audience, resource) is asked for. Where tokens stay opaque, have the "
        "provider asked about them: SUITE_ISSUERS__NAME__INTROSPECT=opaque, with CLIENT_ID and CLIENT_SECRET."
    )
    return f"form: this is {what}, and no provider is asked about such", fix


def header_of(token: str) -> dict[str, Any] | None:
    """What the first part says, as far as it can be read at all; nothing of it is believed."""
    part = token.partition(".")[0]
    try:
        found: object = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def described(header: dict[str, Any]) -> str:
    """The header in a few words."""
    kid = f"kid {shown(header['kid'])}" if "kid" in header else "no kid"
    typ = f"typ {shown(header['typ'])}" if "typ" in header else "no typ"
    return f"header: alg {shown(header.get('alg', ''))}, {kid}, {typ}"
