"""One batching writer a process: callers wait for the commit of their batch, replicas never for each other.

While the store is away every record is refused at once and kept in the spool; the next record tries again.
"""

import asyncio
import os
import platform
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid4

import anyio
import structlog

from shared.core import metrics
from shared.core.backend import RoundTrip
from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.state.database import LOST, connect
from shared.state.keys import KeyRing
from shared.steps.audit import checkpoints
from shared.steps.audit.chain import COLUMNS, Head, Row, link
from shared.steps.audit.entry import Listener, now
from shared.steps.audit.spool import Spool

log = structlog.get_logger("audit")

_TYPES = {
    **{"seq": "bigint", "at": "timestamptz", "duration_us": "bigint"},
    **dict.fromkeys(("chain", "id", "intent"), "uuid"),
    **dict.fromkeys(("body", "prev_hash", "hash"), "bytea"),
}
_ARRAYS = ", ".join(f"${n}::{_TYPES.get(name, 'text')}[]" for n, name in enumerate(COLUMNS, 1))
INSERT = f"INSERT INTO suite.audit ({', '.join(COLUMNS)}) SELECT * FROM unnest({_ARRAYS})"  # noqa: S608 - constants
HEAD = "SELECT seq, hash FROM suite.audit WHERE chain = $1 ORDER BY seq DESC LIMIT 1"
LATEST = "SELECT chain FROM suite.audit_chain ORDER BY opened_at DESC LIMIT 1"
ORPHANS = """
SELECT intent AS id, tenant, subject, issuer, client, server, target, target_kind, effect
FROM suite.audit AS i WHERE chain = $1 AND kind = 'intent' AND NOT EXISTS (
    SELECT FROM suite.audit AS o
    WHERE o.intent = i.intent AND o.kind IN ('outcome', 'recovered') AND o.outcome <> 'outcome_unknown')
"""
_WAITING_MAX = 10_000
_CONNECT_S = 3.0
_STORE_S = 10.0

_Waiting = tuple[dict[str, Any], "asyncio.Future[None]"]


def lock_key(chain: UUID) -> int:
    """The advisory lock a chain's writer holds, so that others can tell whether it is alive."""
    return int.from_bytes(chain.bytes[:8], "big", signed=True)


class Writer:
    """The `Sink` of a process; see `open_writer`."""

    def __init__(self, url: str, ring: KeyRing, spool: Spool, batch: int) -> None:
        self._url = url
        self._ring = ring
        self._spool = spool
        self._batch = batch
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._connection: Any = None
        self._opening = asyncio.Lock()
        self._listeners: list[Listener] = []
        self.head: Head | None = None

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every record once it is durable."""
        self._listeners.append(listener)

    async def write(self, record: dict[str, Any]) -> None:
        """Return once the record is durable.

        Raises:
            Unavailable: It is not; it went to the spool as a refusal.
        """
        if len(self._waiting) >= _WAITING_MAX:
            raise Unavailable("The audit store is too far behind. Nothing was answered; retry in a moment.")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((record, future))
        self._wake.set()
        with RoundTrip("audit", "write"), metrics.AUDIT_WAITING.held():
            await future

    async def check(self) -> None:
        """Raise unless records can be stored (readiness)."""
        await self._ready()

    async def state(self, anchor: checkpoints.Anchor) -> None:
        """Say how far the chain goes; not while it is being opened, when nothing of it is committed."""
        if self._connection is not None and not self._connection.is_closed() and not self._opening.locked():
            await anchor.state(self.head)

    async def run(self) -> None:
        """Store batches until cancelled."""
        while True:
            await self._wake.wait()
            batch, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
            if not self._waiting:
                self._wake.clear()
            try:
                with anyio.fail_after(_STORE_S):
                    await self._store([record for record, _ in batch])
            except Exception as error:  # noqa: BLE001 - whatever went wrong, nobody may wait for ever
                await self._refuse(batch, error)
            else:
                for _, future in batch:
                    _settle(future, None)
                self._tell([record for record, _ in batch])

    def _tell(self, records: list[dict[str, Any]]) -> None:
        for listener in self._listeners:
            try:
                for record in records:
                    listener(record)
            except Exception as error:  # noqa: BLE001 - a broken onlooker must not stop the audit
                log.error("an onlooker of the audit failed and is left out", problem=type(error).__name__)
                self._listeners = [kept for kept in self._listeners if kept is not listener]

    async def _store(self, records: list[dict[str, Any]]) -> None:
        connection = await self._ready()
        with RoundTrip("audit", "store"):
            await self._append(connection, records)

    async def _append(self, connection: Any, records: list[dict[str, Any]]) -> None:
        head = self.head
        assert head is not None, "a chain is opened before anything is appended"  # noqa: S101 - an invariant
        rows: list[Row] = []
        for record in records:
            row, head = link(head, record, self._ring)
            rows.append(row)
        await connection.execute(INSERT, *map(list, zip(*rows, strict=True)))
        self.head = head

    async def _ready(self) -> Any:
        """The writer's own connection, which holds the chain's lock; reopened after a loss."""
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> Any:
        connection = await connect(self._url, "audit", _CONNECT_S)
        try:
            if not await self._resume(connection):
                await self._open_chain(connection)
            await self._ingest(connection)
        except BaseException:  # cancellation too: it would hold the chain's lock for nobody
            connection.terminate()
            raise
        return connection

    async def _resume(self, connection: Any) -> bool:
        """Go on with the chain after a lost connection; False if that cannot be done honestly."""
        if self.head is None:
            return False
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock_key(self.head.chain)):
            return False
        stored = await connection.fetchrow(HEAD, self.head.chain)
        if stored is None or stored["seq"] < self.head.seq:
            log.error("audit records that were committed are gone", chain=str(self.head.chain), last=self.head.seq)
            return False
        self.head = Head(self.head.chain, stored["seq"], stored["hash"])
        return True

    async def _open_chain(self, connection: Any) -> None:
        """Register a new chain; its first record names the head of the one opened before it."""
        previous = self.head or await _latest_head(connection)
        chain = uuid4()
        await connection.execute("SELECT pg_advisory_lock($1)", lock_key(chain))
        async with connection.transaction():
            await connection.execute("INSERT INTO suite.audit_chain (chain) VALUES ($1)", chain)
            self.head = Head(chain)
            await self._append(connection, [_registration(previous)])

    async def _ingest(self, connection: Any) -> None:
        """Bring spooled refusals into the chain; a record that is already there is left out."""
        for path, records in await anyio.to_thread.run_sync(lambda: list(self._spool.take())):
            fresh: list[dict[str, Any]] = [{"v": 1, "id": str(uuid4()), "at": now(), **record} for record in records]
            ids = [UUID(record["id"]) for record in fresh]
            known = {row["id"] for row in await connection.fetch("SELECT id FROM suite.audit WHERE id = ANY($1)", ids)}
            fresh = [record for record in fresh if UUID(record["id"]) not in known]
            for start in range(0, len(fresh), 1000):
                await self._append(connection, fresh[start : start + 1000])
            self._spool.drop(path)
            log.info("spooled refusals are in the chain", count=len(fresh))

    async def _refuse(self, batch: list[_Waiting], error: Exception) -> None:
        if self._connection is not None:
            self._connection.terminate()
        kept = [
            # A new id: the batch may have been committed after all, and then both records tell the truth.
            {
                **record,
                "id": str(uuid4()),
                "outcome": "unaudited",
                "attempted": record.get("outcome"),
                "spooled": True,
            }
            for record, _ in batch
        ]
        try:
            await anyio.to_thread.run_sync(self._spool.append, kept)
        except Exception as problem:  # noqa: BLE001 - the disk, a full spool, a record no JSON can hold: refuse all the same
            log.error("refusals could not be spooled", count=len(kept), problem=type(problem).__name__)
        log.error("audit store away, calls are refused", count=len(batch), problem=type(error).__name__)
        for _, future in batch:
            _settle(
                future,
                Unavailable("The audit store cannot be reached, so the call was refused. Retry in a moment."),
            )

    async def close(self) -> None:
        """Mark the chain as settled if no intent of it is open, and let go of it."""
        self._spool.close()
        if self._connection is None or self._connection.is_closed() or self.head is None:
            return
        try:
            with suppress(*LOST, TimeoutError):
                if not await self._connection.fetch(ORPHANS, self.head.chain):
                    settle = "UPDATE suite.audit_chain SET settled = true WHERE chain = $1"
                    await self._connection.execute(settle, self.head.chain)
                await self._connection.close(timeout=_CONNECT_S)
        finally:
            self._connection.terminate()  # what could not be asked could not be closed either


def _registration(previous: Head | None) -> dict[str, Any]:
    named = previous and {"chain": str(previous.chain), "seq": previous.seq, "hash": previous.hash.hex()}
    return {
        **{"v": 1, "id": str(uuid4()), "at": now(), "kind": "chain", "previous": named},
        **{"host": platform.node(), "pid": os.getpid(), "version": version("enterprise-mcp-suite")},
    }


async def _latest_head(connection: Any) -> Head | None:
    chain = await connection.fetchval(LATEST)
    found = chain and await connection.fetchrow(HEAD, chain)
    return Head(chain, found["seq"], found["hash"]) if found else None


def _settle(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():  # its caller was cancelled meanwhile
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


@asynccontextmanager
async def open_writer(url: str, ring: KeyRing, settings: Settings) -> AsyncGenerator[Writer]:
    """The writer, with its chain opened, for as long as the context lasts."""
    spool = Spool(settings.data_dir / "spool", ring, settings.audit_spool_bytes)
    writer = Writer(url, ring, spool, settings.audit_batch)
    anchor = checkpoints.Anchor(checkpoints.folder_of(settings), ring, logged=settings.profile == "fleet")
    await writer.check()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        tasks.start_soon(_state, writer, anchor, settings.audit_checkpoint_s)
        try:
            with metrics.AUDIT_SPOOL_BYTES.reading(spool.size):
                yield writer
        finally:
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await writer.state(anchor)
                await writer.close()


async def _state(writer: Writer, anchor: checkpoints.Anchor, every_s: float) -> None:
    while True:
        await writer.state(anchor)
        await anyio.sleep(every_s)
