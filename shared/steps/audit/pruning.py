"""Removes what is older than a given time from the beginning of chains, and leaves a signed statement of each.

What does not verify is not removed: it is evidence. Each batch is one transaction that reads, checks, states and
removes, so a process that dies leaves nothing half done, and whoever changed a record meanwhile makes it fail.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import asyncpg

from shared.core.errors import Unavailable
from shared.state.keys import KeyRing
from shared.steps.audit.prefix import ALONE, BACK, EVERYBODY, Allowed, Batch, batches
from shared.steps.audit.pruned import Pruned, signed, statements
from shared.steps.audit.verify import Problem, body_of, named

_LOCK = 0x6D637072
"""Advisory lock: one prunes at a time."""
_OPENINGS = """
SELECT a.body FROM suite.audit_chain AS c JOIN suite.audit AS a ON a.chain = c.chain AND a.seq = 0
"""
_CHANGED = "Chain {chain} was changed meanwhile. Nothing more was removed; run `mcp-suite audit verify`."
_REMOVE = "SELECT suite.prune_audit($1)"
_CHAINS = """
SELECT c.chain FROM suite.audit_chain AS c
WHERE (SELECT at FROM suite.audit AS a WHERE a.chain = c.chain ORDER BY seq LIMIT 1) < $1 ORDER BY c.opened_at, c.chain
"""


@dataclass(frozen=True)
class Going:
    """What would go of one chain: everything up to what the statement would say, of that `records` are still there."""

    statement: Pruned
    records: int


@dataclass
class Plan:
    """What would go, and why other chains are left as they are."""

    going: list[Going] = field(default_factory=list[Going])
    problems: list[Problem] = field(default_factory=list[Problem])


async def planned(connection: Any, ring: KeyRing, allowed: Allowed) -> Plan:
    """Read everything that would go, in a transaction a chain, and check it.

    Args:
        connection: Of the owner, or of a role that may read the audit.
        ring: The audit's.
        allowed: What may go.
    """
    plan = Plan()
    gone = await statements(connection, ring)
    plan.problems += [Problem(place, what) for place, what in gone.spoilt]
    spoilt = {place.partition("/")[0] for place, _ in gone.spoilt}
    if EVERYBODY in allowed.held:
        return plan
    for row in await connection.fetch(_CHAINS, allowed.before):
        if str(row["chain"]) in spoilt:
            continue
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = [batch async for batch in batches(connection, ring, allowed, row["chain"], gone)]
        problems = [problem for batch in found for problem in batch.problems]
        last = found[-1].statement if found else None
        plan.problems += problems
        if last is not None and not problems:
            plan.going.append(Going(last, sum(batch.records for batch in found)))
    return plan


async def prune(
    connection: Any, ring: KeyRing, allowed: Allowed, plan: Plan, told: Callable[[int], None]
) -> list[Problem]:
    """Remove what was planned, batch by batch; what was changed since is left, and named.

    Args:
        connection: Of the owner, or of a role that may read the audit and run `suite.prune_audit`.
        ring: The audit's.
        allowed: As the plan was made.
        plan: How far at most.
        told: Called with the number of records of each batch that is gone.

    Raises:
        Unavailable: Somebody else prunes, or changes what is to go. What was removed so far is removed and stated.
    """
    problems: list[Problem] = []
    for going in plan.going:
        more = True
        while more:
            try:
                batch = await _removed(connection, ring, allowed, going.statement)
            except asyncpg.SerializationError:
                raise Unavailable(_CHANGED.format(chain=going.statement.chain)) from None
            problems += batch.problems
            told(batch.records)
            more = batch.full
    return problems


async def renew(connection: Any, ring: KeyRing) -> int:
    """Sign statements under retired keys anew, under the first, so that those keys can leave the ring; how many."""
    old = [one for one in (await statements(connection, ring)).genuine.values() if one.key_id != ring.mac_id]
    renewed = 0
    for one in old:
        async with connection.transaction(isolation="repeatable_read"):
            if not await connection.fetchval(BACK, UUID(one.chain), one.seq):
                await connection.fetchval(_REMOVE, signed(one, ring))
                renewed += 1
    return renewed


async def named_elsewhere(connection: Any, ring: KeyRing) -> dict[tuple[str, int], str]:
    """Chain and number → hash of the heads that openings name, pruned ones too: for `Allowed.named`."""
    openings = [body_of(row) for row in await connection.fetch(_OPENINGS)]
    openings += [{"previous": one.previous} for one in (await statements(connection, ring)).genuine.values()]
    return {place: str(opening["previous"].get("hash")) for opening in openings if (place := named(opening))}


async def _removed(connection: Any, ring: KeyRing, allowed: Allowed, most: Pruned) -> Batch:
    """One batch, in one transaction: read, checked, stated and gone."""
    chain = UUID(most.chain)
    async with connection.transaction(isolation="repeatable_read"):
        if not await connection.fetchval(ALONE, _LOCK):
            raise Unavailable("Somebody else prunes the audit. What went is stated; run it again later.")
        gone = await statements(connection, ring, chain)
        parts = batches(connection, ring, allowed, chain, gone, most)
        batch = await anext(aiter(parts), Batch())
        await parts.aclose()
        if batch.statement is None or batch.problems:
            return replace(batch, records=0, full=False)
        if await connection.fetchval(_REMOVE, signed(batch.statement, ring)) != batch.records:
            raise Unavailable(_CHANGED.format(chain=chain))
        return batch
