"""Recomputes every hash, compares every column with the signed body, and names what does not fit."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import orjson

from shared.state.keys import CannotOpen, KeyRing
from shared.steps.audit.chain import COLUMNS, Head, columns

ALL = f"SELECT {', '.join(COLUMNS)} FROM suite.audit ORDER BY chain, seq"  # noqa: S608 - constants
OPENINGS = "SELECT chain, body FROM suite.audit WHERE seq = 0"
CHAINS = "SELECT chain FROM suite.audit_chain"
_PAGE = 2000


@dataclass(frozen=True)
class Problem:
    """One thing that does not fit.

    Attributes:
        where: `chain/seq`, and the record's id.
        what: The column or the link that is wrong.
    """

    where: str
    what: str


@dataclass
class Report:
    """What verify found: `problems` is empty when the chain is intact."""

    records: int = 0
    chains: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])


async def verify(connection: Any, ring: KeyRing) -> Report:
    """Check every record of every chain, in one snapshot, over a connection of the reader role."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        openings = {row["chain"]: _body(row) for row in await connection.fetch(OPENINGS)}
        registered = {row["chain"] for row in await connection.fetch(CHAINS)}
        named = {place for body in openings.values() if (place := _named(body))}
        report = Report()
        hashes: dict[tuple[str, int], str] = {}
        chains: set[UUID] = set()
        head: Head | None = None
        async for row in connection.cursor(ALL, prefetch=_PAGE):
            if head is None or row["chain"] != head.chain:
                head = Head(row["chain"])
                chains.add(head.chain)
            report.records += 1
            report.problems += _check(row, head, ring)
            head = Head(head.chain, row["seq"], row["hash"])
            if (place := (str(head.chain), head.seq)) in named:
                hashes[place] = head.hash.hex()
    report.chains = len(chains)
    report.problems += _missing(openings, hashes)
    report.problems += [Problem(f"{chain}/0", "the whole chain is gone") for chain in sorted(registered - chains)]
    return report


def _check(row: Any, head: Head, ring: KeyRing) -> Iterator[Problem]:
    if row["seq"] != head.seq + 1:
        yield Problem(_where(row), f"records {head.seq + 1} to {row['seq'] - 1} before it are gone")
    elif row["prev_hash"] != head.hash:
        yield Problem(_where(row), "prev_hash: it does not follow the record before it")
    try:
        hashed = ring.mac(row["prev_hash"] + row["body"], row["key_id"])
    except (CannotOpen, ValueError):
        yield Problem(_where(row), "key_id: not a key of the ring")
    else:
        if hashed != row["hash"]:
            yield Problem(_where(row), "hash: body, prev_hash or hash was changed")
    try:
        expected = columns(_body(row))
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        yield Problem(_where(row), "body: it is not a record")
        return
    if tuple(row)[: len(expected)] != expected:
        for name, value in zip(COLUMNS, expected, strict=False):
            if row[name] != value:
                yield Problem(_where(row), f"{name}: the column differs from the signed body")


def _missing(openings: dict[UUID, dict[str, Any]], hashes: dict[tuple[str, int], str]) -> Iterator[Problem]:
    """Heads that later chains name but that are not there: a truncated tail, or a chain taken out."""
    for chain, body in openings.items():
        if body.get("kind") != "chain":
            yield Problem(f"{chain}/0", "kind: a chain starts with its registration")
        elif (place := _named(body)) and hashes.get(place) != body["previous"].get("hash"):
            yield Problem(f"{place[0]}/{place[1]}", f"gone or changed: {chain}/0 names it")


def _named(opening: dict[str, Any]) -> tuple[str, int] | None:
    """The chain and sequence number of the head an opening record names."""
    try:
        previous: Any = opening["previous"]
        return str(previous["chain"]), int(previous["seq"])
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return None


def _body(row: Any) -> dict[str, Any]:
    try:
        body: Any = orjson.loads(row["body"])
    except ValueError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _where(row: Any) -> str:
    return f"{row['chain']}/{row['seq']} ({row['id']})"
