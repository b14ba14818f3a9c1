"""Where in a long text an expression may match: looking at a few places costs less than trying everywhere."""

import re
from collections.abc import Iterable
from functools import lru_cache
from heapq import merge

_DENSE = re.compile(r"\d(?:\D{0,4}\d){6,}+")
_BEFORE, _AFTER = 3, 4
"""Characters around digits that a number may begin with, and that tell that it has ended."""


@lru_cache(maxsize=1)
def lowered(text: str) -> str | None:
    """The text in lower case, letter for letter; None where a letter's lower case is two."""
    lower = text.lower()
    return lower if len(lower) == len(text) else None


def beginnings(text: str, words: Iterable[str]) -> Iterable[int] | None:
    """The places of the words, in order; None if they cannot be told."""
    lower = lowered(text)
    return None if lower is None else merge(*(_places(lower, word) for word in words))


def _places(lower: str, word: str) -> list[int]:
    if word not in lower:
        return []
    return [found.start() for found in re.finditer(re.escape(word), lower)]


@lru_cache(maxsize=1)
def dense_digits(text: str) -> tuple[tuple[int, int], ...]:
    """Where at least seven digits stand close together, with a little around them."""
    return tuple((max(0, found.start() - _BEFORE), found.end() + _AFTER) for found in _DENSE.finditer(text))


def around(text: str, mark: str, before: int, after: int) -> list[tuple[int, int]]:
    """Where the mark is, with so many characters before and after; those that overlap become one."""
    windows: list[tuple[int, int]] = []
    for found in re.finditer(re.escape(mark), text):
        start, end = max(0, found.start() - before), found.end() + after
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows
