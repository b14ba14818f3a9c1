"""What was found in a mail, in words for whoever writes, approves or audits it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from unicodedata import category

from servers.mail.safety import limits
from shared.core.errors import Invalid

Severity = Literal["info", "warning", "block"]
WORST_FIRST: tuple[Severity, ...] = ("block", "warning", "info")
_BLANK_OR_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, or several of a kind in the same place.

    Attributes:
        kind: A stable word such as `header_injection`; docs/mail-safety.md lists them.
        severity: `block`: the mail must not go. `warning`: a person should look. `info`: a note.
        where: `from`, `to`, `cc`, `bcc`, `reply_to`, `subject`, `text`, `html`, `message`, or `attachment 1`.
        what: One sentence that says what it is and, if something is to be done, what. Never holds a secret.
        before: A short excerpt of what was there, with characters nobody sees spelled out; empty for secrets.
        after: What stands there now.
        count: How many of them.
    """

    kind: str
    severity: Severity
    where: str
    what: str
    before: str = ""
    after: str = ""
    count: int = 1


def excerpt(text: str) -> str:
    """The beginning of a text, short, in one line, with every character that is not seen spelled out."""
    shown = "".join(_spelled(char) for char in text[: limits.SHOWN])
    return f"{shown}…" if len(text) > limits.SHOWN else shown


def _spelled(char: str) -> str:
    return f"‹U+{ord(char):04X}›" if category(char) in _BLANK_OR_UNSEEN else char


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings that differ in their excerpts only are counted as one, which keeps the first excerpt; worst first."""
    together: dict[tuple[str, str, str, str], Finding] = {}
    for found in findings:
        key = (found.kind, found.severity, found.where, found.what)
        seen = together.get(key)
        together[key] = replace(seen, count=seen.count + found.count) if seen else found
    return tuple(sorted(together.values(), key=lambda found: WORST_FIRST.index(found.severity)))


def refuse(findings: Iterable[Finding]) -> None:
    """Nothing, if none of the findings blocks the mail.

    Raises:
        Invalid: All that block it, in the message and as `findings` in the details.
    """
    blocking = [found for found in findings if found.severity == "block"]
    if not blocking:
        return
    told = " ".join(f"{found.where}: {found.what}" for found in blocking)
    listed = [{"kind": found.kind, "where": found.where, "what": found.what} for found in blocking]
    raise Invalid(f"This mail must not be sent as it is. {told}", findings=listed)
