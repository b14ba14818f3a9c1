"""What an operator writes behind `mcp-suite stop`, checked: a stop that stops nothing is worse than none."""

import base64
import re
import time
from collections.abc import Mapping
from typing import Any

import orjson

import servers
from shared.core.errors import Misconfigured
from shared.core.server import Server

_TOKEN_MOST = 64 * 1024
_NAME_MOST = 512
_REASON_MOST = 300
_DAY_S = 86_400
"""No token is accepted that lives longer (`token_max_lifetime_s`)."""
_SLACK_S = 600
"""More than clocks may differ (`clock_skew_s`)."""
_LONGEST_S = 10 * 366 * _DAY_S
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": _DAY_S}


def seconds(text: str | None) -> float | None:
    """A time like `90s`, `30m`, `2h` or `7d`; None for none.

    Raises:
        Misconfigured: It is no such time, or longer than ten years.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,9})([smhd])", text)
    if found is None or (meant := int(found[1]) * _UNITS[found[2]]) > _LONGEST_S:
        raise Misconfigured(f"--for {text} is no time we know: write it like 90s, 30m, 2h or 7d")
    return meant


def one_line(text: str, what: str, most: int = _NAME_MOST) -> str:
    """The text without blanks around it.

    Raises:
        Misconfigured: It is empty, too long, or not one printable line.
    """
    text = text.strip()
    if not text or len(text) > most or not text.isprintable():
        raise Misconfigured(f"{what} must be one line of 1 to {most} printable characters")
    return text


def reason_of(text: str) -> str:
    """A reason, without the full stop that the sentence around it has.

    Raises:
        Misconfigured: As `one_line`.
    """
    return one_line(one_line(text, "--reason", _REASON_MOST).rstrip("."), "--reason", _REASON_MOST)


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


def targets(server: Server) -> list[str]:
    """Names of its tools, of the reads behind its resource templates, of its prompts, completions and listing."""
    found: set[str] = set()
    for toolset in (server.tools, *((server.views.tools,) if server.views else ())):
        found |= {tool.name for tool in (*toolset.tools.values(), *toolset.completions.values())}
        found |= {one.tool.name for one in (*toolset.resources.values(), *toolset.prompts.values())}
        found |= {toolset.lists.name} if toolset.lists else set()
    return sorted(found)


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
    return one_line(token_id, f"the {name}"), min(max(left_s, _DAY_S), _LONGEST_S) + _SLACK_S


def _claims(part: str) -> dict[str, Any] | None:
    try:
        found: Any = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]
