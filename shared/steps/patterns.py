"""What must never stand in free text, and how it is masked.

Every expression is linear in the text: a repeat is either bounded, or possessive with nothing required after
it, so that each starting point costs a constant or consumes what it read. A test reads the compiled
expressions and holds them to this.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

from shared.steps.credentials import SECRETS, without_secret
from shared.steps.numbers import CARD, IBAN, NATIONAL_IDS, is_iban, masked_if, without_cards
from shared.steps.places import around, beginnings, dense_digits

_ROUNDS = 4
"""A mask may join its neighbours into something new, so text is read until nothing changes, this often at most."""

_KEEP = re.compile(
    r"(?<![0-9A-Za-z-])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Za-z-])"  # UUID
    r"|(?<![0-9A-Za-z])(?=[0-9]{0,40}[a-f])[0-9a-f]{24,128}+(?![0-9A-Za-z])"  # digest
    r"|(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)"  # ISO 8601 date
    r"|(?<![\d.])[0-3]?\d(?P<mark>[./-])[01]?\d(?P=mark)(?:19|20)\d\d(?!\d)"  # date as people write it
)
"""Ids and dates that only look like a number we hide; nothing that begins inside one is hidden."""

_DIGIT = re.compile(r"\d")

_SUSPICIOUS = re.compile(r"[\d@/\\=:_]|-----B|AKIA|ASIA|eyJ|(?i:bearer)")
"""Text without any of these holds nothing that the patterns find; most names and words end here."""

_KEY_LENGTH = 15
_FEW_DIGITS = 7
_MARKED = re.compile(r"[@/\\=:]|eyJ|gh[pousr]_|npm_|whsec_")


def mask_all(text: str) -> str:  # noqa: ARG001 - a mask takes the text it hides
    """`[hidden]`, whatever it was."""
    return "[hidden]"


def mask_email(text: str) -> str:
    """`j***@example.com`; all of it is hidden when it is no address."""
    local, _, domain = text.rpartition("@")
    if not local or not re.fullmatch(r"[\w.-]{1,253}", domain):
        return mask_all(text)
    return f"{local[0]}***@{domain}"


def mask_phone(text: str) -> str:
    """`+49 *** 42`: the country, where it is written, and the last two digits."""
    if re.fullmatch(r"(?:\+\d{1,3} )?\*\*\* \d\d", text):
        return text
    digits = re.findall(r"\d", text)
    if len(digits) < 6:  # noqa: PLR2004 - two of fewer would show too much
        return mask_all(text)
    return f"{_country(text)}*** {''.join(digits[-2:])}"


def _country(phone: str) -> str:
    """`+49 `, or nothing. One-digit zones are those of ITU-T E.164: 1 and 7."""
    found = re.match(r"\s{0,8}\+(?:([17])|(\d{1,3})(?=[ ().-])|(\d\d))", phone)
    return f"+{found[found.lastindex or 0]} " if found else ""


@dataclass(frozen=True)
class Pattern:
    """One kind of thing that is hidden.

    Attributes:
        name: What the audit record calls it.
        replace: What stands there instead; None if it is not what it looked like.
        words: It begins with one of these, in any case; without them it may begin anywhere.
        mark: It holds this, at most so many characters (`reach`) from its beginning and from its end.
        digits: Text with fewer digits holds none. Where it is set, ids and dates are passed over.
        dense: Its digits stand close together.
        contact: Shown to callers who hold the server's `pii` scope; the rest is shown to nobody.
    """

    name: str
    regex: re.Pattern[str]
    replace: Callable[[re.Match[str]], str | None]
    words: tuple[str, ...] = ()
    mark: str = ""
    reach: tuple[int, int] = (64, 600)
    digits: int = 0
    dense: bool = False
    contact: bool = False

    def mask(self, text: str) -> str:
        pieces: list[str] = []
        shown = 0
        for found, instead in self._found(text):
            pieces += text[shown : found.start()], instead
            shown = found.end()
        return "".join(pieces) + text[shown:] if pieces else text

    def _found(self, text: str) -> Iterable[tuple[re.Match[str], str]]:
        """What is hidden, and what stands there instead, in order."""
        places = beginnings(text, self.words) if self.words else None
        if places is not None:
            return self._at(text, places)
        windows = dense_digits(text) if self.dense else around(text, self.mark, *self.reach) if self.mark else None
        return self._within(text, ((0, len(text)),) if windows is None else windows)

    def _at(self, text: str, places: Iterable[int]) -> Iterable[tuple[re.Match[str], str]]:
        shown = 0
        for place in places:
            found = self.regex.match(text, place) if place >= shown else None
            if found is not None and (instead := self.replace(found)) is not None:
                shown = found.end()
                yield found, instead

    def _within(self, text: str, windows: Iterable[tuple[int, int]]) -> Iterable[tuple[re.Match[str], str]]:
        start = 0
        for first, last in windows:
            start = max(start, first)
            while (found := self.regex.search(text, start, last)) is not None:
                end = _end_of_kept(_passed_over(text), found.start()) if self.digits else 0
                instead = None if end else self.replace(found)
                start = end or found.start() + 1
                if instead is not None:
                    start = found.end()
                    yield found, instead


@lru_cache(maxsize=1)
def _passed_over(text: str) -> list[tuple[int, int]]:
    """Where each id and date in `text` begins and ends; the same text is asked for by each pattern."""
    return [found.span() for found in _KEEP.finditer(text)]


def _end_of_kept(kept: list[tuple[int, int]], place: int) -> int:
    """Where the id or date around `place` ends; 0 if there is none."""
    index = bisect_right(kept, place, key=itemgetter(0)) - 1
    return kept[index][1] if index >= 0 and kept[index][1] > place else 0


_OF_URI = r"(?:(?!&(?:quot|lt|gt|#))[^\s\"'<>|`)])"
_PATHS = (
    rf"\bfile://{_OF_URI}++",
    r"(?<![\w.~%/-])/(?:home|var|etc|usr|opt|root|tmp|srv|mnt|proc|private|Users|app)/[^\s\"'<>|)`]*+",
    r"(?<![\\\w])\\\\[\w.-]{1,64}+\\[^\s\"'<>|]*+",
)
_DRIVE = r"(?<![0-9A-Za-z])[A-Za-z]:\\{1,2}(?:[^\\/:*?\"<>|\r\n]{1,128}+\\{1,2}){0,32}+[^\s\\/:*?\"<>|]*+"
_PHONES = (
    r"(?<![\w+])\+[1-9](?:[ \u00a0./()-]{0,3}\d){7,14}(?!\d)",
    r"(?<!\w)00[1-9]\d{0,2}[ -](?:[ \u00a0./()-]{0,2}\d){6,12}(?!\d)",
    r"(?<![\w.-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])\d{3}[ .-]\d{4}(?![\w-])",  # North America
    r"\(0[1-9]\d{0,4}\)(?:[ \u00a0/-]{0,3}\d){5,10}(?![\w-])",  # with the trunk zero
    r"(?<![\w.,+-])0[1-9](?:[ \u00a0/()-]{0,3}\d){7,10}(?![\w-])",
)


_EMAIL = r"[\w.+%'-]{1,64}+@(?:[\w-]{1,63}+\.){1,8}[^\W\d_]{2,24}"
_PATH_WORDS = "file:// /home/ /var/ /etc/ /usr/ /opt/ /root/ /tmp/ /srv/ /mnt/ /proc/ /private/ /users/ /app/ \\\\"

PATTERNS = (
    *(Pattern("secret", re.compile(source), without_secret, tuple(words.split())) for source, words in SECRETS.items()),
    Pattern("path", re.compile(_DRIVE), lambda _: "[path]", mark=":\\", reach=(1, 6000)),
    Pattern("path", re.compile("|".join(_PATHS)), lambda _: "[path]", tuple(_PATH_WORDS.split())),
    Pattern("iban", re.compile(IBAN), masked_if(is_iban, "[iban]"), digits=6),
    Pattern("card", re.compile(CARD), without_cards, digits=13, dense=True),
    *(
        Pattern(
            "national_id",
            re.compile(rf"(?<![\w-]){source}(?![\w-])"),
            masked_if(check, "[national-id]"),
            digits=7,
            dense=True,
        )
        for source, check in NATIONAL_IDS.items()
    ),
    Pattern("email", re.compile(_EMAIL), lambda found: mask_email(found[0]), mark="@", contact=True),
    Pattern(
        "phone", re.compile("|".join(_PHONES)), lambda found: mask_phone(found[0]), digits=8, dense=True, contact=True
    ),
)


def _short_and_plain(text: str) -> bool:
    """Ids, house numbers and postal codes: too short for a key, too few digits for a number, no mark of the rest."""
    return len(text) < _KEY_LENGTH and _MARKED.search(text) is None and len(_DIGIT.findall(text)) < _FEW_DIGITS


def mask_text(text: str, *, contact: bool) -> tuple[str, tuple[str, ...]]:
    """`text` with all of it masked, and the names of what was; e-mail and telephone only with `contact`."""
    if _SUSPICIOUS.search(text) is None or _short_and_plain(text):
        return text, ()
    names: dict[str, None] = {}
    for _ in range(_ROUNDS):
        before = text
        digits = len(_DIGIT.findall(text))
        for pattern in PATTERNS:
            if pattern.digits <= digits and pattern.contact <= contact:
                masked = pattern.mask(text)
                if masked != text:
                    names[pattern.name], text = None, masked
        if text == before:
            break
    return text, tuple(names)
