"""What a client is told that sent no good token, or one that is not enough."""

import re
from collections.abc import Sequence

from shared.core.errors import StepUp, Unauthenticated

ADVICE = {
    "missing": "Send an access token: Authorization: Bearer TOKEN",
    "scheme": "Send the access token with the Bearer scheme: Authorization: Bearer TOKEN",
    "malformed": "The access token is not a signed JWT in compact form; send it exactly as it was issued",
    "type": "This is not an access token; send an access token (typ at+jwt), not an ID token",
    "bound": "The access token is bound to a key of the client, which this server cannot check; obtain a plain one, "
    "without DPoP and mutual TLS",
    "algorithm": "The access token's signature algorithm is not accepted here; obtain a token signed with another one",
    "key": "The access token's key is not one its issuer publishes; obtain a new one",
    "signature": "The access token's signature is not valid; obtain a new one",
    "issuer": "The access token is from another issuer; obtain one from the authorization server named in "
    "the resource metadata",
    "audience": "The access token is for another resource; obtain one with the resource parameter of this server",
    "expired": "The access token expired; obtain a new one",
    "not_yet_valid": "The access token is not valid yet; check the issuer's clock, then try again",
    "lifetime": "The access token lives too long for this server; obtain one with a shorter lifetime",
    "claims": "The access token lacks a claim this server needs, or one has the wrong form; ask the "
    "administrator of the authorization server",
    "tenant": "The access token is of a tenant its issuer may not vouch for here; ask the administrator of this server",
    "inactive": "The authorization server says that the access token is not active; obtain a new one",
    "revoked": "The access token was revoked here; sign in again, or ask the administrator of this server",
}
"""What a client is told for each reason; the reasons are also the words of the metrics."""


def refuse(reason: str) -> Unauthenticated:
    """The refusal for a reason of `ADVICE`, to be raised."""
    return Unauthenticated(reason, ADVICE[reason])


def challenge_401(error: Unauthenticated, *, metadata_url: str, scopes: Sequence[str]) -> str:
    """`WWW-Authenticate` of a 401 (RFC 6750 §3, RFC 9728 §5.1).

    `metadata_url` is this resource's metadata (RFC 9728 §3), `scopes` what a client should ask for first.
    """
    # RFC 6750 §3.1: no error code for a request without a bearer token.
    told = error.reason not in {"missing", "scheme"}
    return _challenge(
        error="invalid_token" if told else "",
        error_description=error.description if told else "",
        resource_metadata=metadata_url,
        scope=" ".join(scopes),
    )


def challenge_403(scopes: Sequence[str], *, metadata_url: str, description: str) -> str:
    """`WWW-Authenticate` of a 403 (RFC 6750 §3.1); `scopes` are all the operation needs, not only the lacking."""
    return _challenge(
        error="insufficient_scope",
        scope=" ".join(scopes),
        resource_metadata=metadata_url,
        error_description=description,
    )


def challenge_step_up(error: StepUp, *, words: Sequence[str], metadata_url: str, scopes: Sequence[str]) -> str:
    """`WWW-Authenticate` of a 401 that asks for another sign-in (RFC 9470 §3).

    `words` are the contexts that will do, as the caller's own issuer names them. A client that does not know the
    error signs the person in again all the same, and so becomes fresh.
    """
    return _challenge(
        error="insufficient_user_authentication",
        error_description=error.message,
        acr_values=" ".join(words),
        max_age=str(error.max_age_s) if error.max_age_s is not None else "",
        resource_metadata=metadata_url,
        scope=" ".join(scopes),
    )


def _challenge(**parameters: str) -> str:
    # What RFC 6750 §3 does not allow inside the quotes is left out, line ends above all.
    values = {name: re.sub(r"[^\x20\x21\x23-\x5b\x5d-\x7e]", "", text) for name, text in parameters.items()}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in values.items() if value)
