"""Recomputes every hash, compares every column with the signed body, and names what does not fit."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from shared.state.keys import CannotOpen, KeyRing
from shared.steps.audit.chain import COLUMNS, Head, columns

ALL = f"SELECT {', '.join(COLUMNS)} FROM suite.audit ORDER BY chain, seq"  # noqa: S608 - constants
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
    """Check every record of every chain, over a connection of the reader role."""
    report = Report()
    head: Head | None = None
    heads: dict[UUID, dict[int, bytes]] = {}
    openings: list[tuple[str, dict[str, Any]]] = []
    async for row in _rows(connection):
        if head is None or row["chain"] != head.chain:
            head = Head(row["chain"])
            heads[head.chain] = {}
        report.records += 1
        report.problems += _check(row, head, ring)
        if row["seq"] == 0:
            openings.append((_where(row), _body(row)))
        head = Head(head.chain, row["seq"], row["hash"])
        heads[head.chain][head.seq] = head.hash
    report.chains = len(heads)
    report.problems += _missing(openings, heads)
    report.problems += [
        Problem(f"{found['chain']}/0", "the whole chain is gone")
        for found in await connection.fetch(CHAINS)
        if found["chain"] not in heads
    ]
    return report


async def _rows(connection: Any) -> AsyncIterator[Any]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for row in connection.cursor(ALL, prefetch=_PAGE):
            yield row


def _check(row: Any, head: Head, ring: KeyRing) -> Iterator[Problem]:
    where = _where(row)
    if row["seq"] != head.seq + 1:
        yield Problem(where, f"records {head.seq + 1} to {row['seq'] - 1} before it are gone")
    elif row["prev_hash"] != head.hash:
        yield Problem(where, "prev_hash: it does not follow the record before it")
    try:
        hashed = ring.mac(row["prev_hash"] + row["body"], row["key_id"])
    except (CannotOpen, ValueError):
        yield Problem(where, "key_id: not a key of the ring")
    else:
        if hashed != row["hash"]:
            yield Problem(where, "hash: body, prev_hash or hash was changed")
    try:
        expected = dict(zip(COLUMNS, columns(_body(row)), strict=False))
    except (KeyError, TypeError, ValueError):
        yield Problem(where, "body: it is not a record")
    else:
        for name, value in expected.items():
            if row[name] != value:
                yield Problem(where, f"{name}: the column differs from the signed body")


def _missing(openings: list[tuple[str, dict[str, Any]]], heads: dict[UUID, dict[int, bytes]]) -> Iterator[Problem]:
    """Heads that later chains name but that are not there: a truncated tail, or a chain taken out."""
    for where, body in openings:
        previous: dict[str, Any] | None = body.get("previous")
        if body.get("kind") != "chain":
            yield Problem(where, "kind: a chain starts with its registration")
        elif previous is not None:
            found = heads.get(UUID(previous["chain"]), {}).get(previous["seq"])
            if found is None or found.hex() != previous["hash"]:
                yield Problem(f"{previous['chain']}/{previous['seq']}", f"gone or changed: {where} names it")


def _body(row: Any) -> dict[str, Any]:
    try:
        return orjson.loads(row["body"])
    except ValueError:
        return {}


def _where(row: Any) -> str:
    return f"{row['chain']}/{row['seq']} ({row['id']})"
