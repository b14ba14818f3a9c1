"""What a customer can be found by, and what a query asks for.

A customer is kept under *terms*. A name gives one for each of its words, turned so that the word comes first:
`anna maria schmidt`, `maria schmidt anna`, `schmidt anna maria`; company, city and tags likewise. So a phrase is
the beginning of one term, and the order of terms is a ranking: the whole word first, then longer ones, then by
what follows. The id is a term, and marked terms that no word can equal are `#tag` for the tag filter, `@e-mail`
and `+phone`. Only a caller who may see e-mail and phone gets those two asked for, so that guessing by search
tells the others nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import combining, normalize

from shared.core.errors import Invalid

_WORD = re.compile(r"[^\W_]+")
_ID = re.compile(r"C-[0-9A-Z]{6,12}", re.IGNORECASE)
_PHONE = re.compile(r"\+?(?:[\s()./-]*[0-9]){7,15}")
_NOT_DECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "'": "", "’": ""}
)
_LAST = "\U0010ffff"
_MOST_WORDS = 8
_LONGEST = 100  # characters of a term; a row of a btree index holds 2,700 bytes


@dataclass(frozen=True)
class Range:
    """The terms from `low` up to, and without, `high`."""

    low: str
    high: str


@dataclass(frozen=True)
class Wanted:
    """A query taken apart.

    Attributes:
        ranges: Where terms lie that hold all of it as one phrase, that hold each of its words, and the tag filter.
        together: Which of the ranges find the phrase; none for a single word.
        apart: Which of them find the words wherever they stand.
        sensitive: Whether an e-mail address or a phone number is asked for.
    """

    ranges: tuple[Range, ...]
    together: tuple[int, ...]
    apart: tuple[int, ...]
    sensitive: bool


def wanted(query: str, tag: str | None) -> Wanted:
    """What to look for; a customer fits if it has a term in every range that is searched by.

    Raises:
        Invalid: The query holds no word, or too many.
    """
    starts = list(dict.fromkeys(_starts(query)))
    if not 1 <= len(starts) <= _MOST_WORDS:
        raise Invalid(f"query needs 1 to {_MOST_WORDS} words of letters or digits; it has {len(starts)}")
    phrase = [" ".join(starts)] if len(starts) > 1 else []
    ranges = [Range(start[:_LONGEST], start[:_LONGEST] + _LAST) for start in (*phrase, *starts)]
    words_at = tuple(range(len(phrase), len(ranges)))
    # A tag holds no blank, so only the tag itself lies between itself and itself with a blank.
    tagged = [Range(f"#{tag}", f"#{tag} ")] if tag else []
    tag_at = (len(ranges),) if tag else ()
    return Wanted(
        ranges=(*ranges, *tagged),
        together=(0, *tag_at) if phrase else (),
        apart=(*words_at, *tag_at),
        sensitive=any(start[0] in "@+" for start in starts),
    )


def terms(customer: Mapping[str, Any]) -> list[str]:
    """Every term of a customer, given its fields or its row."""
    tags: list[str] = customer["tags"]
    found = {fold(customer["id"]), *(f"#{tag}" for tag in tags)}
    for text in (customer["name"], customer["company"], customer["city"], *tags):
        found.update(_turned(words(text or "")))
    if customer["email"]:
        found.add(f"@{fold(customer['email'])}")
    if customer["phone"]:
        found.add(_phone_term(customer["phone"]))
    return sorted({term[:_LONGEST] for term in found})


def sort_name(customer: Mapping[str, Any]) -> str:
    """What customers found by the same term are ordered by."""
    return " ".join(words(customer["name"]))[:_LONGEST]


def fold(text: str) -> str:
    """Lower case without accents, the same on every machine: `Müller` → `muller`, `Straße` → `strasse`."""
    decomposed = normalize("NFKD", text).casefold()
    return "".join(char for char in decomposed if not combining(char)).translate(_NOT_DECOMPOSED)


def words(text: str) -> list[str]:
    return _WORD.findall(fold(text))


def _turned(found: list[str]) -> Iterator[str]:
    return (" ".join(found[first:] + found[:first]) for first in range(len(found)))


def _starts(query: str) -> list[str]:
    if _PHONE.fullmatch(query):
        return [_phone_term(query)]
    return [start for word in query.split() for start in _starts_of(word)]


def _starts_of(word: str) -> list[str]:
    if "@" in word:
        return [f"@{fold(word)}"]
    return [fold(word)] if _ID.fullmatch(word) else words(word)


def _phone_term(text: str) -> str:
    digits = "".join(char for char in text if char.isdecimal())
    return "+" + digits.removeprefix("00")
