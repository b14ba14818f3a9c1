"""Do it once: claim a key, replay the first answer.

Claim, effect and stored answer are one transaction, so they are all there or none of them is. The claim names
(tenant, issuer, subject, client, server, tool, key) and is kept as an HMAC; the answer is sealed with AES-256-GCM.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from pydantic import BaseModel

from shared.core import metrics
from shared.core.caller import Caller
from shared.core.errors import InProgress, KeyReused, Unavailable
from shared.core.gathering import Gathering
from shared.core.labels import Label
from shared.core.settings import Settings
from shared.core.tool import Arguments, Effect, Tool, WriteArguments
from shared.core.tracing import span
from shared.state.database import Database, Transaction
from shared.state.keys import CannotOpen, KeyRing
from shared.steps.audit.entry import Entry

WAIT = "SELECT set_config('lock_timeout', $1, true)"
CLAIM = """
INSERT INTO suite.ledger AS l (tenant_id, claim, intent, digest, expires_at)
VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
ON CONFLICT (tenant_id, claim) DO UPDATE
SET intent = excluded.intent, digest = excluded.digest, answer = NULL,
    created_at = now(), expires_at = excluded.expires_at
WHERE l.expires_at < now()
RETURNING true
"""
EARLIER = "SELECT claim FROM suite.ledger WHERE tenant_id = $1 AND claim = ANY($2) AND expires_at >= now()"
TURN = "SELECT pg_advisory_xact_lock($1)"
FIND = "SELECT digest, answer FROM suite.ledger WHERE tenant_id = $1 AND claim = $2"
KEEP = "UPDATE suite.ledger SET answer = $3 WHERE tenant_id = $1 AND claim = $2"


@dataclass
class Slot:
    """Room for one answer.

    Attributes:
        answer: Already there when the same call was answered before; else what the tool returns goes here.
        transaction: Writes only.
        intent: Of a write, in the audit.
        changes: URIs of the resources that were changed, for those who follow them.
        acted_at: The servers at which the call could act in the caller's name.
        labels: What the call found to be in its answer.
        gathering: What it had from elsewhere, and what it was based on.
        approval: Under which it is done.
    """

    answer: BaseModel | None = None
    transaction: Transaction | None = None
    intent: UUID | None = None
    changes: list[str] = field(default_factory=list[str])
    acted_at: list[str] = field(default_factory=list[str])
    labels: set[Label] = field(default_factory=set[Label])
    gathering: Gathering = field(default_factory=Gathering)
    approval: str | None = None


def identity(caller: Caller, server: str, tool: Tool, key: str) -> bytes:
    """What names one call, however often it is made."""
    return orjson.dumps([caller.tenant, caller.issuer, caller.subject, caller.client, server, tool.name, key])


def arguments_of(query: WriteArguments) -> bytes:
    """What it is made with, in one form."""
    # Unset is not null: in a merge patch one keeps a field and the other clears it.
    arguments = query.model_dump(mode="json", exclude={"idempotency_key", "dry_run"}, exclude_unset=True)
    return orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)


def _key_of(query: WriteArguments, intent: UUID, round_id: str | None) -> str:
    # Without a key nothing can repeat the call, but the row still carries the intent for recovery. The answer to
    # a question can be sent again, though: the secret of its first round makes that one call (MCP, patterns/mrtr).
    return query.idempotency_key or (f"round {round_id}" if round_id else f"intent {intent}")


@dataclass(frozen=True)
class _Claim:
    """What names a call, and its arguments, under each key of the ring; the first key's is written."""

    tenant: str
    claims: Sequence[bytes]
    digests: Sequence[bytes]

    @property
    def claim(self) -> bytes:
        return self.claims[0]

    @property
    def turn(self) -> int:
        """The same for all replicas that have the same keys, whichever of them comes first."""
        return int.from_bytes(min(self.claims)[:8], "big", signed=True)

    @property
    def bound_to(self) -> bytes:
        return self.tenant.encode() + b"\0" + self.claim


class Ledger:
    """The idempotency ledger of one server's process.

    Args:
        rights: As `shared.core.server.Server` has it.
    """

    def __init__(
        self,
        database: Database,
        ring: KeyRing,
        settings: Settings,
        server: str,
        rights: Callable[[Caller], Sequence[str]] | None = None,
    ) -> None:
        self._database = database
        self._ring = ring
        self._settings = settings
        self._server = server
        self._rights = rights

    def claims(self, caller: Caller, tool: Tool, key: str) -> list[bytes]:
        """What names the call, under each key of the ring."""
        return self._ring.macs(b"claim" + identity(caller, self._server, tool, key))

    def digests(self, query: WriteArguments) -> list[bytes]:
        """Of what it is made with, under each key of the ring."""
        return self._ring.macs(b"arguments" + arguments_of(query))

    @asynccontextmanager
    async def once(
        self, entry: Entry, caller: Caller, tool: Tool, query: Arguments, key: str | None = None
    ) -> AsyncGenerator[Slot]:
        """Run the body once per key; reads and dry runs claim nothing.

        Args:
            entry: The call's, for its intent.
            caller: Who calls.
            tool: What is called.
            query: What with.
            key: Instead of the caller's own, or where there is none.

        Raises:
            KeyReused: The key was used with other arguments.
            InProgress: A twin is still at it after `ledger_wait_s`.
            OutcomeUnknown: The commit's reply was lost.
        """
        if tool.effect is Effect.READ or not isinstance(query, WriteArguments):
            yield Slot()
        elif query.dry_run:
            async with self._database.transaction(caller.tenant, self._rights_of(caller)) as transaction:
                transaction.discard()
                slot = Slot(transaction=transaction)
                yield slot
            slot.changes.clear()
        else:
            intent = await entry.begin()
            async with self._database.transaction(caller.tenant, self._rights_of(caller)) as transaction:
                claim = self._claim(caller, tool, query, key or _key_of(query, intent, entry.request.round_id))
                with span("ledger"):
                    slot = Slot(transaction=transaction, intent=intent)
                    await self._take(slot, transaction, claim, intent, tool)
                replayed = slot.answer is not None
                yield slot
                entry.facts["replayed"] = replayed
                if replayed:
                    metrics.REPLAYS.add(self._server, tool.name)
                else:
                    with span("ledger"):
                        await self._keep(transaction, claim, slot)

    def _rights_of(self, caller: Caller) -> Sequence[str]:
        return self._rights(caller) if self._rights else ()

    def _claim(self, caller: Caller, tool: Tool, query: WriteArguments, key: str) -> _Claim:
        return _Claim(caller.tenant, self.claims(caller, tool, key), self.digests(query))

    async def _take(self, slot: Slot, transaction: Transaction, claim: _Claim, intent: UUID, tool: Tool) -> None:
        """Claim the key; if another call had it before, its answer is put into the slot."""
        connection = transaction.connection
        wait_ms = int(self._settings.ledger_wait_s * 1000)
        await connection.execute(WAIT, str(wait_ms))
        try:
            claim = await self._as_before(connection, claim)
            mine = await connection.fetchval(
                CLAIM, claim.tenant, claim.claim, intent, claim.digests[0], self._settings.ledger_ttl_s
            )
        except asyncpg.LockNotAvailableError:
            raise InProgress("The same call is still running. Wait a moment, then repeat it unchanged.") from None
        except asyncpg.UniqueViolationError:  # recovery took this process for dead and fenced the intent
            raise Unavailable("The call was given up before it began; nothing was done. Repeat it.") from None
        await connection.execute(WAIT, "0")
        if not mine:
            self._replay(slot, await connection.fetchrow(FIND, claim.tenant, claim.claim), claim, tool)

    @staticmethod
    async def _as_before(connection: Any, claim: _Claim) -> _Claim:
        """The claim as it was made under another key of the ring, if it was: while keys are replaced, replicas differ
        in which comes first, and what was done under the old one is not done again.
        """
        if len(claim.claims) == 1:
            return claim
        await connection.execute(TURN, claim.turn)
        made = await connection.fetchval(EARLIER, claim.tenant, claim.claims)
        return replace(claim, claims=[made]) if made else claim

    def _replay(self, slot: Slot, found: Any, claim: _Claim, tool: Tool) -> None:
        if found["digest"] not in claim.digests:
            raise KeyReused(
                "This idempotency_key was used before with other arguments. Use a new key for a new call, "
                "or repeat the first call unchanged to get its answer."
            )
        try:
            labels, _, answer = self._ring.open(found["answer"], claim.bound_to).partition(b"\n")
            slot.answer = tool.answer.model_validate_json(answer)
            slot.labels |= {Label(label) for label in labels.decode().split()}
        except CannotOpen:
            raise Unavailable(
                "This call was done before, but its stored answer can no longer be opened. Look the result up."
            ) from None

    async def _keep(self, transaction: Transaction, claim: _Claim, slot: Slot) -> None:
        """Keep the answer for whoever repeats the call, after a line with its labels."""
        if slot.answer is None:
            return
        content = f"{' '.join(sorted(slot.labels))}\n{slot.answer.model_dump_json()}"
        sealed = self._ring.seal(content.encode(), claim.bound_to)
        await transaction.connection.execute(KEEP, claim.tenant, claim.claim, sealed)
