"""Checks the chain for one tenant, step by step: its own records whole, and that nothing is missing between them.

A chain holds many tenants' records. Of the others only their hashes are looked at (`suite.audit_links`), which shows
that none was taken out or put in; whether their bodies are as they were signed, `verify` checks for everybody.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from shared.state.database import SET_CALLER
from shared.state.keys import KeyRing
from shared.steps.audit.chain import ZERO
from shared.steps.audit.checkpoints import NotOurs
from shared.steps.audit.pruned import Statements, opened, statements
from shared.steps.audit.verify import ONE, TOLD, Problem, compared, hashed, named, repeats, where

MOST_PROBLEMS = 20
"""How many are named; whoever finds so many has the whole chain verified."""

_LINKS = f"""
SELECT l.chain, l.seq, l.prev_hash, l.hash, a.id, a.body, a.key_id, array_to_json(ARRAY[{TOLD}])::text AS told,
       p.seq AS pruned, p.until, CASE WHEN l.seq <= p.seq + 1 THEN p.statement END AS statement
FROM (SELECT chain, seq, prev_hash, hash FROM suite.audit_links
      WHERE (chain, seq) > ($1, $2) ORDER BY chain, seq LIMIT $3) AS l
LEFT JOIN suite.audit AS a ON a.chain = l.chain AND a.seq = l.seq AND a.tenant = $4
LEFT JOIN suite.audit_pruned AS p ON p.chain = l.chain
ORDER BY l.chain, l.seq
"""  # noqa: S608 - constants
_RECORD = f"""
SELECT chain, seq, id, body, key_id, prev_hash, hash, array_to_json(ARRAY[{TOLD}])::text AS told
FROM suite.audit WHERE tenant = $1 AND id = $2
"""  # noqa: S608 - constants
_BEFORE = "SELECT hash FROM suite.audit_links WHERE chain = $1 AND seq = $2"
_AFTER = "SELECT prev_hash FROM suite.audit_links WHERE chain = $1 AND seq = $2"
_CHAINS = """
SELECT c.chain, o.body, EXISTS (SELECT FROM suite.audit_links AS l WHERE l.chain = c.chain) AS there
FROM suite.audit_chain AS c LEFT JOIN suite.audit AS o ON o.chain = c.chain AND o.seq = 0 AND o.kind = 'chain'
"""
_GONE = "the whole chain is gone", "the rest of the chain is gone: only what is before was pruned"
_COUNT = "SELECT count(*), count(*) FILTER (WHERE chain <= $1) FROM suite.audit_chain"
_PAGE = 2000
_START = UUID(int=0)


@dataclass(frozen=True)
class Walk:
    """How far a check is; JSON all of it, so that the next step can be made anywhere.

    Attributes:
        chain: Of the last record looked at.
        seq: Its place.
        hash: Its hash, in hexadecimal.
        links: How many records were looked at, of whomever.
        own: How many of them are the tenant's, and were checked whole.
        problems: What does not fit, as place and words; at most `MOST_PROBLEMS`.
        found: How many things do not fit.
        chains: How many chains there are, and how many were begun.
        done: Whether nothing is left.
    """

    chain: str = str(_START)
    seq: int = -1
    hash: str = ""
    links: int = 0
    own: int = 0
    problems: tuple[tuple[str, str], ...] = ()
    found: int = 0
    chains: tuple[int, int] = (0, 0)
    done: bool = False

    def adding(self, problems: list[Problem]) -> "Walk":
        left = MOST_PROBLEMS - len(self.problems)
        said = tuple((one.where, one.what) for one in problems[:left])
        return replace(self, problems=self.problems + said, found=self.found + len(problems))


async def check(connection: Any, ring: KeyRing, tenant: str, walk: Walk, for_s: float) -> Walk:
    """Go on with a check for about so many seconds.

    Args:
        connection: Of the console's role, in a transaction: the tenant is set for what is left of it.
        ring: The keys of the audit.
        tenant: Whose records are checked whole.
        walk: Where the last step ended; `Walk()` to begin.
        for_s: After so many seconds no further page is read.
    """
    await connection.execute(SET_CALLER, tenant, "{}")
    ends = time.monotonic() + for_s
    while not walk.done and time.monotonic() < ends:
        rows = await connection.fetch(_LINKS, UUID(walk.chain), walk.seq, _PAGE, tenant)
        problems: list[Problem] = []
        for row in rows:
            problems += _linked(row, walk, ring)
            if row["body"] is not None:
                problems += await _whole(connection, row, ring)
            walk = replace(
                walk,
                chain=str(row["chain"]),
                seq=row["seq"],
                hash=row["hash"].hex(),
                links=walk.links + 1,
                own=walk.own + (row["body"] is not None),
            )
        if len(rows) < _PAGE:
            problems += await _missing(connection, ring)
        walk = replace(walk.adding(problems), done=len(rows) < _PAGE)
    every, begun = await connection.fetchrow(_COUNT, UUID(walk.chain))
    return replace(walk, chains=(every, begun))


async def fits(connection: Any, ring: KeyRing, tenant: str, record_id: UUID) -> list[Problem]:
    """What does not fit of one record: of itself, and between it and its neighbours in the chain.

    Args:
        connection: As `check` has it.
        ring: The keys of the audit.
        tenant: Whose record it is.
        record_id: Its `id`.
    """
    await connection.execute(SET_CALLER, tenant, "{}")
    row = await connection.fetchrow(_RECORD, tenant, record_id)
    if row is None:
        return []
    problems = await _whole(connection, row, ring)
    gone = (await statements(connection, ring, row["chain"])).head(row["chain"])
    before = gone.hash
    if row["seq"] != gone.seq + 1:
        before = await connection.fetchval(_BEFORE, row["chain"], row["seq"] - 1)
    after = await connection.fetchval(_AFTER, row["chain"], row["seq"] + 1)
    if before != row["prev_hash"]:
        said = "the record before it is gone" if before is None else "it does not follow the record before it"
        problems.append(Problem(where(row), f"prev_hash: {said}"))
    if after is not None and after != row["hash"]:
        problems.append(Problem(where(row), "hash: the record after it follows another"))
    return problems


def _linked(row: Any, walk: Walk, ring: KeyRing) -> Iterator[Problem]:
    """What does not fit between a record and the one before it, or what was pruned, since the last step too."""
    same = str(row["chain"]) == walk.chain and walk.seq >= 0
    seq, before = (walk.seq, walk.hash) if same else (-1, ZERO.hex())
    place = f"{row['chain']}/{row['seq']}"
    if row["statement"] is not None:
        try:
            gone = opened({**row, "seq": row["pruned"]}, ring)
            seq, before = gone.seq, gone.hash
        except NotOurs as problem:
            yield Problem(place, f"statement of what was pruned: {problem}")
    if row["seq"] <= seq:
        yield Problem(place, "it was pruned, as a signed statement says, and is here again")
    elif row["seq"] != seq + 1:
        yield Problem(place, f"records {seq + 1} to {row['seq'] - 1} before it are gone")
    elif row["prev_hash"].hex() != before:
        yield Problem(place, "prev_hash: it does not follow the record before it")


async def _whole(connection: Any, row: Any, ring: KeyRing) -> list[Problem]:
    problems = list(hashed(row, ring))
    if not repeats(row):
        problems += compared(await connection.fetchrow(ONE, row["chain"], row["seq"]))
    return problems


async def _missing(connection: Any, ring: KeyRing) -> list[Problem]:
    """Chains that are gone, and heads that later chains name but that are not there or are others."""
    gone = await statements(connection, ring)
    problems = [Problem(*one) for one in gone.spoilt]
    openings: dict[str, dict[str, Any]] = {
        f"what was pruned of {chain}": {"previous": one.previous} for chain, one in gone.genuine.items()
    }
    for row in await connection.fetch(_CHAINS):
        pruned = gone.genuine.get(row["chain"])
        if not row["there"] and not (pruned and pruned.ended):
            problems.append(Problem(f"{row['chain']}/{pruned.seq + 1 if pruned else 0}", _GONE[pruned is not None]))
        elif row["body"] is not None:
            openings[f"{row['chain']}/0"] = orjson.loads(row["body"])
        elif not pruned:
            problems.append(Problem(f"{row['chain']}/0", "kind: a chain starts with its registration"))
    for teller, opening in openings.items():
        if (place := named(opening)) and not await _there(connection, place, opening["previous"].get("hash"), gone):
            problems.append(Problem(f"{place[0]}/{place[1]}", f"gone or changed: {teller} names it"))
    return problems


async def _there(connection: Any, place: tuple[str, int], named_as: str | None, gone: Statements) -> bool:
    found = await connection.fetchval(_BEFORE, UUID(place[0]), place[1])
    return gone.cover(*place, named_as) if found is None else found.hex() == named_as
