"""What an operator writes behind `mcp-suite stop`, checked: a stop that stops nothing is worse than none."""

import base64
import time
from collections.abc import Mapping
from typing import Any

import orjson

import servers
from shared.core.errors import Misconfigured
from shared.steps.stopping_words import LONGEST_S, one_line, targets

_TOKEN_MOST = 64 * 1024
_DAY_S = 86_400
"""No token is accepted that lives longer (`token_max_lifetime_s`)."""
_SLACK_S = 600
"""More than clocks may differ (`clock_skew_s`)."""


def server_named(name: str, *, unlisted: bool) -> str:
    """The name of a server that there is; or, of another version's, whatever it looks like.

    Raises:
        Misconfigured: There is none; the message lists those there are.
    """
    return one_line(name, "the server") if unlisted else servers.load(name).name


def target_named(name: str, *, unlisted: bool) -> tuple[str, str]:
    """Server and name of what is written as SERVER.NAME.

    Raises:
        Misconfigured: There is no such thing; the message lists those there are.
    """
    server, _, target = name.partition(".")
    known = [] if unlisted else targets(servers.load(server))
    if not target or (target not in known and not unlisted):
        there_are = ", ".join(f"{server}.{one}" for one in known) or "SERVER.TOOL"
        raise Misconfigured(f"there is no {name}; there are: {there_are}")
    return one_line(server, "the server"), one_line(target, "the tool")


def token_given(text: str, named_by: Mapping[str, str]) -> tuple[str, float]:
    """The id of a token, and for how many seconds it must stay revoked: until nobody accepts it any more.

    Its signature is not verified: whoever changed it could at most have another token revoked. An expiry that was
    brought forward does not count, for a day is the least.

    Args:
        text: The token, perhaps with its scheme.
        named_by: By issuer, the claim with the id; others have it in `jti`.

    Raises:
        Misconfigured: It is no token we could know again; says what to stop instead.
    """
    parts = text.strip().removeprefix("Bearer ").strip().split(".")
    claims = _claims(parts[1]) if len(text) <= _TOKEN_MOST and len(parts) == 3 else None  # noqa: PLR2004 - a JWS has three
    if claims is None:
        raise Misconfigured(
            "standard input holds no JWT. An opaque token is revoked at its issuer; here, stop its login or its user"
        )
    name, expires_at = named_by.get(str(claims.get("iss")), "jti"), claims.get("exp")
    token_id = claims.get(name)
    if not isinstance(token_id, str):
        said = f"the token has no {name} to know it by: stop its login (`sid`), or its user (`sub`), instead"
        raise Misconfigured(said)
    left_s = expires_at - time.time() if isinstance(expires_at, int | float) else 0
    return one_line(token_id, f"the {name}"), min(max(left_s, _DAY_S), LONGEST_S) + _SLACK_S


def _claims(part: str) -> dict[str, Any] | None:
    try:
        found: Any = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]
