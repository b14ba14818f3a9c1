"""What can become of a mail at the relay.

taken     the relay answered for it: it is the relay's now, for the recipients it accepted
refused   for good: a 5xx, or something the relay does not offer
later     for now: a 4xx
lost      the connection was, before the text was handed over: the relay has nothing
unknown   the connection was, or the time, after that: the relay may have it
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Became = Literal["taken", "refused", "later", "lost", "unknown"]

Trouble = Literal["refused", "timeout", "tls", "login", "busy", "protocol", "lost", "left_alone"]
"""Why a relay cannot be given mails: nobody listens; no answer in time; no TLS we trust; our login is refused; it says
so itself; it does not speak SMTP; the connection went; it failed so often that it is not asked for a while."""

_TEXT_MAX = 300
_PERMANENT = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """What the relay said: the code, and the text, printable and bounded. Codes of our own say what it would say."""

    code: int
    text: str

    @staticmethod
    def of(code: int, lines: Sequence[str]) -> "Reply":
        said = " ".join(lines)[:_TEXT_MAX]
        return Reply(code, "".join(character if character.isprintable() else "�" for character in said))

    @property
    def permanent(self) -> bool:
        return self.code >= _PERMANENT

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Letter:
    """What is handed over.

    Attributes:
        sender: Whom the relay tells of what cannot be delivered: an address without its name.
        recipients: Addresses without their names, each once.
        mime: The message. Line ends become CRLF, and lines that begin with a dot are doubled, on the way.
        utf8: Its header or an address is more than ASCII (RFC 6531).
    """

    sender: str
    recipients: Sequence[str]
    mime: bytes = field(repr=False)
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of one mail.

    Attributes:
        accepted: The recipients it was taken for; empty unless `taken`.
        refused: Those refused for good, each with why; all of them if `refused`.
        later: Those that may be tried again; all that are left if `later`.
        reply: The answer that decided, if there was one.
        bounced: Of those refused, whose address does not exist, as the answer to their RCPT said (`bounces.py`).
    """

    became: Became
    accepted: tuple[str, ...] = ()
    refused: Mapping[str, Reply] = field(default_factory=dict[str, Reply])
    later: Mapping[str, Reply] = field(default_factory=dict[str, Reply])
    reply: Reply | None = None
    bounced: frozenset[str] = frozenset()


class Unreachable(Exception):
    """The relay cannot be given mails now; none was.

    Attributes:
        trouble: Why, in one word.
        what: For people who look after the relay; nothing secret.
    """

    def __init__(self, trouble: Trouble, what: str) -> None:
        super().__init__(f"{trouble}: {what}")
        self.trouble: Trouble = trouble
        self.what = what
