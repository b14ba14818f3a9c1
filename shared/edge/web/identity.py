"""Whether an id token fits the sign-in that it came with (OpenID Connect Core §3.1.3.7)."""

import time
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.oidc.core import CodeIDToken  # pyright: ignore[reportUnknownVariableType, reportMissingTypeStubs]
from joserfc.errors import JoseError

from shared.core.caller import Caller
from shared.core.errors import Unauthenticated
from shared.core.settings import Settings
from shared.edge.web.oidc import Asked, Tokens
from shared.edge.web.refused import Refused
from shared.steps.providers import Provider
from shared.steps.tokens import Jwt, parse

_AUTHLIB: Any = CodeIDToken


async def check_identity(
    tokens: Tokens, caller: Caller, asked: Asked, provider: Provider, settings: Settings, client_id: str
) -> None:
    """Raise unless the id token is of the provider, for us, of this sign-in, and about the caller.

    Raises:
        Refused: It is not.
        Unavailable: The provider's keys cannot be had.
    """
    try:
        jwt = parse(tokens.identity or "")
    except Unauthenticated:
        raise _refused("form") from None
    algorithms = provider.issuer.algorithms or settings.token_algorithms
    key = await provider.keys.find(jwt.algorithm, jwt.kid) if jwt.algorithm in algorithms else None
    if key is None or not jwt.is_signed_with(key):
        raise _refused("signature")
    if not _fits(jwt, tokens, asked, provider.issuer.url, settings.clock_skew_s, client_id):
        raise _refused("claims")
    subject = provider.issuer.subject_claim
    if caller.issuer != provider.issuer.url or str(jwt.claims.get(subject, "")) != caller.subject:
        raise _refused("subject")


def _fits(jwt: Jwt, tokens: Tokens, asked: Asked, issuer: str, skew_s: int, client_id: str) -> bool:
    claims = _AUTHLIB(
        jwt.claims,
        jwt.header,
        {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
        {"nonce": asked.nonce, "client_id": client_id, "access_token": tokens.access, "max_age": asked.max_age_s},
    )
    try:
        claims.validate(now=time.time(), leeway=skew_s)
    except (AuthlibBaseError, JoseError, ValueError, TypeError, AttributeError):  # the rest of misshapen claims
        return False
    return True


def _refused(why: str) -> Refused:
    return Refused(f"sign_in_id_token_{why}", 400, "The sign-in provider's answer does not fit. Sign in again.")
