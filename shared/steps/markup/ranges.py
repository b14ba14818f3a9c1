"""Stretches of a text, in order and apart from each other."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """Half-open ranges of places. Those that overlap become one; those that touch stay apart, as paragraphs do."""

    __slots__ = ("ends", "starts")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        for start, end in sorted(pairs):
            if self.ends and start < self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            elif start < end:
                self.starts.append(start)
                self.ends.append(end)

    def around(self, place: int) -> tuple[int, int] | None:
        """The range that `place` is in."""
        index = bisect_right(self.starts, place) - 1
        return (self.starts[index], self.ends[index]) if index >= 0 and place < self.ends[index] else None

    def end_at(self, place: int) -> int:
        """Where the range around `place` ends; 0 if it is in none."""
        index = bisect_right(self.starts, place) - 1
        return self.ends[index] if index >= 0 and place < self.ends[index] else 0

    def next_start(self, place: int, none: int) -> int:
        """Where the first range that begins after `place` begins; `none` if no other does."""
        index = bisect_right(self.starts, place)
        return self.starts[index] if index < len(self.starts) else none

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.starts, self.ends, strict=True)

    def __bool__(self) -> bool:
        return bool(self.starts)

    def __and__(self, other: "Ranges") -> "Ranges":
        both: list[tuple[int, int]] = []
        mine, theirs = list(self), list(other)
        one = two = 0
        while one < len(mine) and two < len(theirs):
            start, end = max(mine[one][0], theirs[two][0]), min(mine[one][1], theirs[two][1])
            if start < end:
                both.append((start, end))
            if mine[one][1] < theirs[two][1]:
                one += 1
            else:
                two += 1
        return Ranges(both)

    def __or__(self, other: "Ranges") -> "Ranges":
        return Ranges([*self, *other])

    def __sub__(self, other: "Ranges") -> "Ranges":
        last = max([*self.ends, *other.ends, 0])
        gaps = zip([0, *other.ends], [*other.starts, last], strict=True)
        return self & Ranges(gaps)
