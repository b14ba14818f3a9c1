"""What somebody typed into the search, as PostgreSQL's `to_tsquery` takes it.

oauth "refresh token" rotat* -legacy       all words, two of them together, one by its beginning, one absent
keycloak OR okta setup                     either of the two, and the third
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from servers.documents.folding import fold

TERMS_MAX = 24

_PIECE = re.compile(r'(?P<no>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A query in the language of `to_tsquery`; empty if no word was typed.

    Attributes:
        all: Documents with all of the words.
        any: Documents with any of them, for when none has all.
        each: The clauses of both.
        absent: What neither may have.
        phrases: Words that stand together in all documents with all of the words.
    """

    all: str
    any: str
    each: Sequence[str]
    absent: str
    phrases: Sequence[str]

    @property
    def ways(self) -> Sequence[Mapping[str, Any]]:
        """What `queries.SEARCH` is asked for: documents with all of the words; if there are none, those with most of
        them before those with any.
        """
        strictly: dict[str, Any] = {"wanted": self.all, "each": [], "absent": "", "phrases": self.phrases}
        loosely: dict[str, Any] = {"wanted": self.any, "each": self.each, "absent": self.absent, "phrases": []}
        return [strictly, loosely] if self.any else [strictly]


@dataclass(frozen=True, slots=True)
class _Term:
    asked: str
    together: str


def wanted(query: str) -> Wanted:
    """Never an error: what is no word is left out, and of very many words the first count."""
    clauses: list[list[_Term]] = []
    absent: list[str] = []
    either = False
    for piece in _PIECE.finditer(query):
        if piece["word"] in {"OR", "|"}:
            either = bool(clauses)
            continue
        term = _term(piece["phrase"] if piece["word"] is None else piece["word"], whole=piece["word"] is None)
        if term is None or len(clauses) + len(absent) >= TERMS_MAX:
            continue
        if piece["no"]:
            absent.append(f"!({term.asked})")
        elif either:
            clauses[-1].append(term)
        else:
            clauses.append([term])
        either = False
    each = [f"({' | '.join(term.asked for term in clause)})" for clause in clauses]
    together = [clause[0].together for clause in clauses if len(clause) == 1]
    return Wanted(" & ".join([*each, *absent]), _any(each, absent), each, " & ".join(absent), [*filter(None, together)])


def _any(each: list[str], absent: list[str]) -> str:
    return " & ".join([f"({' | '.join(each)})", *absent]) if len(each) > 1 else ""


def _term(text: str, *, whole: bool) -> _Term | None:
    """Words that stand together; the last may go on if a star follows it."""
    words = _WORD.findall(fold(text))
    if not words:
        return None
    begins = not whole and text.endswith("*")
    asked = " <-> ".join([*(f"'{word}'" for word in words[:-1]), f"'{words[-1]}'" + (":*" if begins else "")])
    known = words[:-1] if begins else words
    return _Term(f"({asked})", " ".join(known) if len(known) > 1 else "")


def any_of(texts: Iterable[str]) -> str:
    """Documents with any of the words of these texts; of very many words the first count."""
    words = dict.fromkeys(word for text in texts for word in _WORD.findall(fold(text).lower()) if len(word) > 1)
    return " | ".join(f"'{word}'" for word in list(words)[:TERMS_MAX])
