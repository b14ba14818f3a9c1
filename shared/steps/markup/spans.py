"""Code between backticks (CommonMark 6.1)."""

import re
from bisect import bisect_right

_RUNS = re.compile(r"`++")
_TICKS_OR_ESCAPES = re.compile(r"\\.|`++", re.DOTALL)


class CodeSpans:
    """The code spans of one paragraph, each found when it is asked for."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self._runs: dict[int, list[int]] = {}
        for run in _RUNS.finditer(text, start, end):
            self._runs.setdefault(run.end() - run.start(), []).append(run.start())

    def end(self, opening: int, length: int) -> int | None:
        """Where the span that `length` backticks open here ends; None if they open none."""
        runs = self._runs.get(length, [])
        after = bisect_right(runs, opening + length - 1)
        return runs[after] + length if after < len(runs) else None


def spans_in(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """All code spans of a paragraph, as if there were no tags in it."""
    spans = CodeSpans(text, start, end)
    found: list[tuple[int, int]] = []
    at = start
    while (token := _TICKS_OR_ESCAPES.search(text, at, end)) is not None:
        at = token.end()
        if text[token.start()] == "`" and (close := spans.end(token.start(), token.end() - token.start())):
            found.append((token.start(), close))
            at = close
    return found
