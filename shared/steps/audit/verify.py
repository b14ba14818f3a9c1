"""Recomputes every hash, compares every column with the signed body, and names what does not fit."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import orjson

from shared.state.keys import CannotOpen, KeyRing
from shared.steps.audit.chain import COLUMNS, Head, columns
from shared.steps.audit.checkpoints import Checkpoint, NotOurs, opened
from shared.steps.audit.pruned import Statements, statements

_AS_TEXT = """
to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
_REPEATED = COLUMNS[2 : COLUMNS.index("body")]
TOLD = ", ".join(_AS_TEXT if name == "at" else f"{name}::text" for name in _REPEATED)
ALL = f"""
SELECT chain, seq, id, body, key_id, prev_hash, hash, array_to_json(ARRAY[{TOLD}])::text AS told
FROM suite.audit ORDER BY chain, seq
"""  # noqa: S608 - constants
"""The columns that repeat the body come as one text: to decode each takes longer than all the rest of a record."""
ONE = f"SELECT {', '.join(COLUMNS)} FROM suite.audit WHERE chain = $1 AND seq = $2"  # noqa: S608 - constants
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
    """What verify found: `problems` is empty when the chain is intact.

    Attributes:
        checkpoints: Those that chains had to go as far as.
        pruned: Records that are gone as signed statements say.
        statements: Chains whose beginning that is, or all of them.
    """

    records: int = 0
    chains: int = 0
    checkpoints: int = 0
    pruned: int = 0
    statements: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])


async def verify(connection: Any, ring: KeyRing, anchored: Iterable[tuple[str, Checkpoint | None]] = ()) -> Report:
    """Check every record of every chain, in one snapshot, over a connection of the reader role.

    Args:
        connection: To the database.
        ring: The audit's.
        anchored: Checkpoints from outside the database, each with where it is (`checkpoints.read`).
    """
    stated, report = stated_by(anchored, ring)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        openings = {row["chain"]: body_of(row) for row in await connection.fetch(OPENINGS)}
        registered = {row["chain"] for row in await connection.fetch(CHAINS)}
        gone = await statements(connection, ring)
        heads = {place for body in openings.values() if (place := named(body))} | stated.keys() | _remembered(gone)
        hashes: dict[tuple[str, int], str] = {}
        chains: set[UUID] = set()
        head: Head | None = None
        differing: list[tuple[UUID, int]] = []
        async for row in _rows(connection):
            if head is None or row["chain"] != head.chain:
                head = gone.head(row["chain"])
            report.records += 1
            report.problems += chained(row, head, ring)
            if row["seq"] > head.seq:  # not one that came back
                head = Head(head.chain, row["seq"], row["hash"])
                chains.add(head.chain)
            if not repeats(row):
                differing.append((head.chain, row["seq"]))
            if heads and (place := (str(head.chain), row["seq"])) in heads:
                hashes[place] = row["hash"].hex()
        for differs in differing:
            report.problems += compared(await connection.fetchrow(ONE, *differs))
    report.chains = len(chains)
    report.problems += _missing(openings, hashes, gone)
    report.problems += _cut(stated, hashes, gone)
    report.problems += [
        Problem(f"{chain}/0", "the whole chain is gone") for chain in sorted(registered - chains - gone.genuine.keys())
    ]
    report.problems += _unmet(gone, hashes, chains)
    report.statements = len(gone.genuine)
    report.pruned = sum(one.seq + 1 for one in gone.genuine.values())
    return report


async def _rows(connection: Any) -> AsyncGenerator[Any]:
    """Every record, chain by chain; PostgreSQL reads the next page while one is looked at."""
    cursor = await connection.cursor(ALL)
    page: list[Any] = await cursor.fetch(_PAGE)
    while page:
        following = asyncio.ensure_future(cursor.fetch(_PAGE))
        await asyncio.sleep(0)
        for row in page:
            yield row
        page = await following


def repeats(row: Any) -> bool:
    """Whether the columns say what the body says, in its own spelling; if not, they are compared one by one."""
    body = body_of(row)
    told = [None if (value := body.get(name)) is None else str(value) for name in _REPEATED]
    return (
        orjson.dumps(told).decode() == row["told"]
        and body.get("seq") == row["seq"]
        and body.get("chain") == str(row["chain"])
    )


def chained(row: Any, head: Head, ring: KeyRing) -> Iterator[Problem]:
    """What does not fit of one record by itself, and after the one before it or what was pruned."""
    if row["seq"] <= head.seq:
        yield Problem(where(row), "it was pruned, as a signed statement says, and is here again")
    elif row["seq"] != head.seq + 1:
        yield Problem(where(row), f"records {head.seq + 1} to {row['seq'] - 1} before it are gone")
    elif row["prev_hash"] != head.hash:
        yield Problem(where(row), "prev_hash: it does not follow the record before it")
    yield from hashed(row, ring)


def hashed(row: Any, ring: KeyRing) -> Iterator[Problem]:
    """What does not fit of one record by itself."""
    try:
        computed = ring.mac(row["prev_hash"] + row["body"], row["key_id"])
    except (CannotOpen, ValueError):
        yield Problem(where(row), "key_id: not a key of the ring")
    else:
        if computed != row["hash"]:
            yield Problem(where(row), "hash: body, prev_hash or hash was changed")


def compared(row: Any) -> Iterator[Problem]:
    """The columns that differ from the signed body, of a row with all of `COLUMNS`."""
    try:
        expected = columns(body_of(row))
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        yield Problem(where(row), "body: it is not a record")
        return
    if tuple(row)[: len(expected)] != expected:
        for name, value in zip(COLUMNS, expected, strict=False):
            if row[name] != value:
                yield Problem(where(row), f"{name}: the column differs from the signed body")


def _missing(
    openings: dict[UUID, dict[str, Any]], hashes: dict[tuple[str, int], str], gone: Statements
) -> Iterator[Problem]:
    """Heads that later chains name but that are not there: a truncated tail, or a chain taken out."""
    for chain, body in openings.items():
        if body.get("kind") != "chain":
            yield Problem(f"{chain}/0", "kind: a chain starts with its registration")
        elif (place := named(body)) and not _accounted(place, body["previous"].get("hash"), hashes, gone):
            yield Problem(f"{place[0]}/{place[1]}", f"gone or changed: {chain}/0 names it")


def _accounted(
    place: tuple[str, int], hashed: str | None, hashes: dict[tuple[str, int], str], gone: Statements
) -> bool:
    """Whether a record that is named is there, or was pruned."""
    return hashes[place] == hashed if place in hashes else gone.cover(*place, hashed)


def _remembered(gone: Statements) -> set[tuple[str, int]]:
    """The heads that openings named which were pruned."""
    return {place for one in gone.genuine.values() if (place := named({"previous": one.previous}))}


def _unmet(gone: Statements, hashes: dict[tuple[str, int], str], chains: set[UUID]) -> Iterator[Problem]:
    """Statements that are not genuine; and of what was pruned, what it left behind or named and is not there."""
    yield from (Problem(place, what) for place, what in gone.spoilt)
    for chain, one in gone.genuine.items():
        if not one.ended and chain not in chains:
            yield Problem(f"{chain}/{one.seq + 1}", "the rest of the chain is gone: only what is before was pruned")
        place = named({"previous": one.previous})
        if place and not _accounted(place, (one.previous or {}).get("hash"), hashes, gone):
            yield Problem(f"{place[0]}/{place[1]}", f"gone or changed: what was pruned of {chain} named it")


def stated_by(
    anchored: Iterable[tuple[str, Checkpoint | None]], ring: KeyRing
) -> tuple[dict[tuple[str, int], tuple[str, str]], Report]:
    """Chain and sequence number → hash and time that a checkpoint states, and a report of those that state nothing."""
    stated: dict[tuple[str, int], tuple[str, str]] = {}
    report = Report()
    for place, checkpoint in anchored:
        try:
            chain, seq, hashed = opened(checkpoint or {}, ring)
        except NotOurs as problem:
            report.problems.append(Problem(f"checkpoint {place}", str(problem)))
        else:
            report.checkpoints += 1
            stated[chain, seq] = hashed, str((checkpoint or {})["at"])
    return stated, report


def _cut(
    stated: dict[tuple[str, int], tuple[str, str]], hashes: dict[tuple[str, int], str], gone: Statements
) -> Iterator[Problem]:
    for place, (hashed, at) in stated.items():
        if not _accounted(place, hashed, hashes, gone):
            chain, seq = place
            yield Problem(f"{chain}/{seq}", f"gone or changed: it was there at {at}, as a checkpoint states")


def named(opening: dict[str, Any]) -> tuple[str, int] | None:
    """The chain and sequence number of the head an opening record names."""
    try:
        previous: Any = opening["previous"]
        return str(previous["chain"]), int(previous["seq"])
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return None


def body_of(row: Any) -> dict[str, Any]:
    """The record as it was signed; empty where it is none."""
    try:
        body: Any = orjson.loads(row["body"])
    except ValueError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def where(row: Any) -> str:
    return f"{row['chain']}/{row['seq']} ({row['id']})"
