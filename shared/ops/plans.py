"""What PostgreSQL's plan of a statement says about the tables it reads from end to end."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Walk:
    """A table that is read from end to end.

    Attributes:
        compared: The expressions of the table that rows have to equal something by: what an index could be on.
    """

    schema: str
    relation: str
    compared: tuple[str, ...]

    @property
    def index(self) -> str:
        """The statement that makes it."""
        by = ", ".join(f"({expression})" for expression in self.compared)
        return f'CREATE INDEX CONCURRENTLY ON {self.schema}."{self.relation}" ({by});'


def walks(node: Mapping[str, Any]) -> Iterator[Walk]:
    """The sequential scans in a plan, as EXPLAIN (VERBOSE, FORMAT JSON) tells it."""
    if node["Node Type"] == "Seq Scan":
        yield Walk(node["Schema"], node["Relation Name"], tuple(_compared(node.get("Filter", ""), node["Alias"])))
    for inner in node.get("Plans", []):
        yield from walks(inner)


def _compared(condition: str, alias: str) -> Iterator[str]:
    """What an index could be on: the table's own side of each equation that a row has to fulfil."""
    own = re.compile(rf'(?<![\w"."])(?:{re.escape(alias)}|"{re.escape(alias)}")\.')
    for part in _conjuncts(condition):
        ours, *others = sorted(_sides(part), key=lambda side: own.search(side) is None)
        if len(others) == 1 and own.search(ours) and not own.search(others[0]):
            yield own.sub("", ours)


def _conjuncts(condition: str) -> Iterator[str]:
    inner = _unwrapped(condition)
    parts = _split(inner, " AND ")
    if len(parts) == 1:
        yield inner
    else:
        for part in parts:
            yield from _conjuncts(part)


def _sides(part: str) -> list[str]:
    return [_unwrapped(side) for side in _split(part, " = ")]


def _split(text: str, separator: str) -> list[str]:
    """Parts of an expression at separators that stand in no parentheses and no quotes."""
    parts: list[str] = []
    start = 0
    for at in _outside(text):
        if text.startswith(separator, at):
            parts.append(text[start:at])
            start = at + len(separator)
    return [*parts, text[start:]]


def _unwrapped(text: str) -> str:
    """The expression without parentheses that hold all of it."""
    while text.startswith("(") and next(iter(_outside(text)), None) == len(text) - 1:
        text = text[1:-1]
    return text


def _outside(text: str) -> Iterator[int]:
    """Where the text is in no parentheses and no quotes; a closing parenthesis counts as outside."""
    depth, quote = 0, ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        else:
            depth += (char == "(") - (char == ")")
            if depth == 0:
                yield at
