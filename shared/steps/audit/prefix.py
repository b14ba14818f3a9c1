"""The beginning of a chain that may be removed, batch by batch, each checked as `verify` checks it."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.state.keys import KeyRing
from shared.steps.audit.chain import Head
from shared.steps.audit.entry import now
from shared.steps.audit.pruned import Pruned, Statements
from shared.steps.audit.verify import ONE, TOLD, Problem, body_of, chained, compared, repeats, where
from shared.steps.audit.writer import LATEST, lock_key

EVERYBODY = "*"
"""Stands for every tenant among those whose records are held."""
BATCH = 2000
"""Records that go in one transaction."""
ALONE = "SELECT pg_try_advisory_xact_lock($1)"
_CHAIN = "SELECT settled FROM suite.audit_chain WHERE chain = $1"
_ORPHANED = """
SELECT min(seq) FROM suite.audit AS i WHERE chain = $1 AND kind = 'intent' AND at < $2 AND NOT EXISTS (
    SELECT FROM suite.audit AS o
    WHERE o.intent = i.intent AND o.kind IN ('outcome', 'recovered') AND o.outcome <> 'outcome_unknown')
"""
_PAGE = f"""
SELECT chain, seq, id, at, tenant, body, key_id, prev_hash, hash, array_to_json(ARRAY[{TOLD}])::text AS told
FROM suite.audit WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""  # noqa: S608 - constants
BACK = "SELECT EXISTS (SELECT FROM suite.audit WHERE chain = $1 AND seq <= $2)"


@dataclass(frozen=True)
class Allowed:
    """What may go, and by whose word.

    Attributes:
        before: Older than this, by the clock of the database.
        held: Tenants of whom no record goes; `EVERYBODY` for all.
        named: By chain and number, the hash that checkpoints, and openings of other chains, state.
        by: Who removes it.
        why: As they say.
    """

    before: datetime
    held: frozenset[str]
    named: Mapping[tuple[str, int], str]
    by: str
    why: str


@dataclass(frozen=True)
class Batch:
    """The next part of a chain that may go.

    Attributes:
        statement: What would be said of it; None if nothing may go.
        records: How many it has.
        problems: Why nothing may.
        full: Whether more may go.
    """

    statement: Pruned | None = None
    records: int = 0
    problems: tuple[Problem, ...] = ()
    full: bool = False


async def batches(
    connection: Any, ring: KeyRing, allowed: Allowed, chain: UUID, gone: Statements, most: Pruned | None = None
) -> AsyncGenerator[Batch]:
    """What may go of a chain, part by part, each checked as `verify` does."""
    before, head = gone.genuine.get(chain), gone.head(chain)
    if before and await connection.fetchval(BACK, chain, before.seq):
        yield Batch(problems=(Problem(f"{chain}/{before.seq}", "what was pruned is here again: run `audit verify`"),))
        return
    settled = await connection.fetchval(_CHAIN, chain)
    orphaned = None if settled else await connection.fetchval(_ORPHANED, chain, allowed.before)
    more = True
    while more:
        rows = await connection.fetch(_PAGE, chain, head.seq, BATCH + 1)
        problems = [problem async for problem in _wrong(connection, ring, allowed, rows, head)]
        if problems:
            yield Batch(problems=tuple(problems))
            return
        going = _prefix(rows[:BATCH], allowed, orphaned, most)
        ended = len(going) == len(rows) and await _is_over(connection, chain)
        if len(going) == len(rows) and not ended:
            going = going[:-1]  # a chain that goes on keeps its head
        if not going:
            return
        before = _stated(going, before, allowed, ended=ended)
        more = len(going) == BATCH and not ended
        yield Batch(before, len(going), full=more)
        head = Head(chain, going[-1]["seq"], going[-1]["hash"])


def _prefix(rows: list[Any], allowed: Allowed, orphaned: int | None, most: Pruned | None) -> list[Any]:
    """The rows up to the first one that has to stay."""
    for count, row in enumerate(rows):
        if (
            row["at"] >= allowed.before
            or row["tenant"] in allowed.held
            or (orphaned is not None and row["seq"] >= orphaned)
            or (most is not None and row["seq"] > most.seq)
        ):
            return rows[:count]
    return rows


async def _wrong(
    connection: Any, ring: KeyRing, allowed: Allowed, rows: list[Any], head: Head
) -> AsyncGenerator[Problem]:
    for row in rows:
        for problem in chained(row, head, ring):
            yield problem
        if row["seq"] == 0 and body_of(row).get("kind") != "chain":
            yield Problem(where(row), "kind: a chain starts with its registration")
        if not repeats(row):
            for problem in compared(await connection.fetchrow(ONE, row["chain"], row["seq"])):
                yield problem
        head = Head(head.chain, row["seq"], row["hash"])
        if allowed.named.get((str(head.chain), head.seq), head.hash.hex()) != head.hash.hex():
            yield Problem(where(row), "hash: a checkpoint, or a later chain, names another")


async def _is_over(connection: Any, chain: UUID) -> bool:
    """Whether nobody writes to the chain, and no later one has to begin by naming its head."""
    if await connection.fetchval(LATEST) == chain:
        return False
    return await connection.fetchval(ALONE, lock_key(chain))


def _stated(rows: list[Any], before: Pruned | None, allowed: Allowed, *, ended: bool) -> Pruned:
    times = [row["at"].astimezone(UTC).isoformat(timespec="microseconds") for row in rows]
    return Pruned(
        chain=str(rows[-1]["chain"]),
        seq=rows[-1]["seq"],
        hash=rows[-1]["hash"].hex(),
        since=min([*times, before.since] if before else times),
        until=max([*times, before.until] if before else times),
        ended=ended,
        previous=before.previous if before else body_of(rows[0]).get("previous"),
        at=now(),
        by=allowed.by,
        why=allowed.why,
    )
