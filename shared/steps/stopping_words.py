"""The words of a stop, for the command line and the console alike: a stop that stops nothing is worse than none."""

import re

from shared.core.errors import Misconfigured
from shared.core.server import Server
from shared.state.switches import Switch

_NAME_MOST = 512
_REASON_MOST = 300
_DAY_S = 86_400
LONGEST_S = 10 * 366 * _DAY_S
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": _DAY_S}


def seconds(text: str | None) -> float | None:
    """A time like `90s`, `30m`, `2h` or `7d`; None for none.

    Raises:
        Misconfigured: It is no such time, or longer than ten years.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,9})([smhd])", text)
    if found is None or (meant := int(found[1]) * _UNITS[found[2]]) > LONGEST_S:
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


def targets(server: Server) -> list[str]:
    """Names of its tools, of the reads behind its resource templates, of its prompts, completions and listing."""
    found: set[str] = set()
    for toolset in (server.tools, *((server.views.tools,) if server.views else ())):
        found |= {tool.name for tool in (*toolset.tools.values(), *toolset.completions.values())}
        found |= {one.tool.name for one in (*toolset.resources.values(), *toolset.prompts.values())}
        found |= {toolset.lists.name} if toolset.lists else set()
    return sorted(found)


def described(switch: Switch) -> str:
    """One line: what is off, for whom, until when, and why."""
    parts = [switch.kind, ".".join(part for part in (switch.server, switch.name) if part)]
    words = {"tenant": "", "user": "of tenant"}
    parts += [words.get(switch.kind, "for tenant"), switch.tenant] if switch.tenant else []
    parts += ["by issuer", switch.issuer] if switch.issuer else []
    parts += ["until", switch.expires_at.isoformat(timespec="seconds")] if switch.expires_at else []
    return f"{' '.join(part for part in parts if part)}: {switch.reason}"
