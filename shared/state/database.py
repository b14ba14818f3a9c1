"""One asyncpg pool a process; SQLAlchemy Core is the language, compiled once.

The tenant is set in the same statement that reads (`statement.py`: one round trip instead of four), so nothing
is left on a connection and the pool needs no reset. Row-level security reads it from `app.tenant`.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import asyncpg

from shared.core import metrics
from shared.core.errors import Misconfigured, OutcomeUnknown, Timeout, Unavailable
from shared.core.settings import Settings
from shared.state.connecting import LOST, connect, fill_pool, unreachable
from shared.state.fitness import require_fitting
from shared.state.lending import LentConnection, apart, transaction_settings
from shared.state.patience import patiently
from shared.state.ready import Ready
from shared.state.revisions import SUITE_REVISIONS, newest_revision
from shared.state.statement import Statement
from shared.state.timed import TimedConnection

__all__ = ["LOST", "Database", "Reads", "Statement", "Transaction", "connect", "open_database"]

SET_CALLER = "SELECT set_config('app.tenant', $1, true), set_config('app.rights', $2, true)"

_COMMIT_S = 10.0
_BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def as_array(words: Sequence[str]) -> str:
    """The words as PostgreSQL spells an array of text, whatever is in them."""
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return "{" + ",".join(f'"{word}"' for word in quoted) + "}"


class Reads:
    """One tenant's reads: each statement is one round trip, one snapshot, under row-level security."""

    def __init__(self, database: "Database", tenant: str, rights: Sequence[str] | None = None) -> None:
        self._database = database
        self._own: dict[str, Any] = {"tenant_": tenant}
        if rights is not None:
            self._own["rights_"] = as_array(rights)

    async def rows(self, statement: Statement, /, **values: Any) -> list[Mapping[str, Any]]:
        compiled = statement.entitled if "rights_" in self._own else statement.scoped
        async with self._database.connection() as connection:
            return await connection.fetch(compiled.sql, *compiled.values(values | self._own))

    async def row(self, statement: Statement, /, **values: Any) -> Mapping[str, Any] | None:
        found = await self.rows(statement, **values)
        return found[0] if found else None


class Transaction:
    """One tenant's transaction; rolled back at its end when `discard` was called."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.discarded = False

    def discard(self) -> None:
        """Roll back instead of committing (a dry run)."""
        self.discarded = True

    async def rows(self, statement: Statement, /, **values: Any) -> list[Mapping[str, Any]]:
        compiled = statement.plain
        return await self.connection.fetch(compiled.sql, *compiled.values(values))

    async def row(self, statement: Statement, /, **values: Any) -> Mapping[str, Any] | None:
        found = await self.rows(statement, **values)
        return found[0] if found else None


class Database:
    """The pool of the application role, which owns nothing and is subject to row-level security."""

    def __init__(self, pool: Any, settings: Settings, *, read_only: bool = False) -> None:
        self.ready = Ready(pool, settings.pool_min)
        self._settings = settings
        self._lent = settings.database_pooler == "transaction"
        self._begun = transaction_settings(settings, read_only=read_only) if self._lent else ""
        self._guard = f"BEGIN{self._begun}" if read_only else None

    def reads(self, tenant: str, rights: Sequence[str] | None = None) -> Reads:
        """One tenant's reads; `rights` are what row-level security may ask of the caller (`Server.rights`)."""
        return Reads(self, tenant, rights)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any]:
        """A pooled connection.

        Raises:
            Unavailable: The pool is exhausted or PostgreSQL is not there.
            Timeout: A statement ran longer than `statement_timeout_s`.
        """
        try:
            with metrics.POOL_ACQUIRE_S.timed(), metrics.POOL_WAITING.held():
                connection = await self.ready.take(self._settings.pool_acquire_s)
        except TimeoutError:
            raise Unavailable("The database is busy. Nothing was done; retry in a moment.") from None
        except (*LOST, OSError, asyncpg.PostgresError) as error:  # whatever keeps us from connecting
            raise unreachable() from error
        sound = False
        try:
            yield LentConnection(connection, self._guard) if self._lent else TimedConnection(connection)
            sound = True
        except asyncpg.QueryCanceledError:
            raise Timeout("The database took too long. Nothing was done; ask for less, or retry.") from None
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            raise Unavailable("Another call was changing the same. Nothing was done; repeat this one.") from None
        except LOST as error:
            if isinstance(error, ValueError):  # asyncpg's word for a value that does not fit its column
                raise
            raise unreachable() from error
        finally:
            await self.ready.give(connection, sound=sound)

    @asynccontextmanager
    async def snapshot(self, tenant: str, rights: Sequence[str] | None = None) -> AsyncGenerator[Transaction]:
        """A transaction that can only read, and sees one state of the database throughout."""
        async with self.transaction(tenant, rights, begin=_BEGIN_SNAPSHOT) as transaction:
            transaction.discard()
            yield transaction

    @asynccontextmanager
    async def transaction(
        self, tenant: str, rights: Sequence[str] | None = None, *, begin: str = "BEGIN"
    ) -> AsyncGenerator[Transaction]:
        """A transaction with the tenant and the caller's rights set. Its commit cannot be cancelled, only lost.

        Raises:
            OutcomeUnknown: The connection was lost during the commit.
        """
        async with self.connection() as connection:
            transaction = Transaction(connection)
            try:
                await connection.execute(begin + self._begun)
                await connection.execute(SET_CALLER, tenant, as_array(rights or ()))
                yield transaction
            except BaseException:  # cancellation too: no connection goes back to the pool in a transaction
                await _end(connection, "ROLLBACK")
                raise
            if transaction.discarded:
                await _end(connection, "ROLLBACK")
            else:
                await _commit(connection)

    async def purge_ledger(self) -> int:
        """Forget idempotency keys past their time; returns how many."""
        async with self.connection() as connection:
            return await connection.fetchval("SELECT suite.purge_ledger()")

    async def require_tables(self, revisions: Mapping[str, Path] = MappingProxyType({})) -> None:
        """Refuse to start on a database that was never migrated, not since an update, or to a release too new for us.

        Args:
            revisions: Folders of the schemas that are needed beside the suite's.

        Raises:
            Misconfigured: It says which command to run.
        """
        folders = {"suite": SUITE_REVISIONS, **revisions}
        newest = {name: newest_revision(folder) for name, folder in folders.items()}

        async def ask() -> None:
            async with self.connection() as connection:
                await require_fitting(connection, newest)

        await patiently(ask, "the tables", self._settings.patience_s, Unavailable, Misconfigured)

    async def check(self) -> None:
        """Raise unless a statement can be answered (readiness)."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")


async def _end(connection: Any, command: str) -> None:
    with anyio.CancelScope(shield=True):
        with suppress(*LOST, TimeoutError):
            await connection.execute(command, timeout=_COMMIT_S)
            return
        _abandon(connection)


async def _commit(connection: Any) -> None:
    with anyio.CancelScope(shield=True):
        try:
            await connection.execute("COMMIT", timeout=_COMMIT_S)
        except (*LOST, TimeoutError) as error:
            _abandon(connection)
            raise OutcomeUnknown(
                "The connection was lost while the change was being saved. Repeat the call with the same "
                "idempotency_key to learn the outcome; it will not be done twice."
            ) from error


def _abandon(connection: Any) -> None:
    with suppress(asyncpg.InterfaceError):  # it is closed already and the pool has taken it back
        connection.terminate()


@asynccontextmanager
async def open_database(dsn: str, settings: Settings) -> AsyncGenerator[Database]:
    """The pool, pre-warmed, for as long as the context lasts.

    Raises:
        Unavailable: PostgreSQL cannot be reached, or does not let us in.
        Misconfigured: A pooler is in between, and the settings do not say so.
    """
    lent = settings.database_pooler == "transaction"
    dsn, read_only = apart(dsn) if lent else (dsn, False)
    pool = await patiently(partial(fill_pool, dsn, settings), "PostgreSQL", settings.patience_s, Unavailable)
    database = Database(pool, settings, read_only=read_only or settings.read_only)

    def idle() -> int:
        return pool.get_idle_size() + database.ready.idle

    try:
        with metrics.POOL.reading(idle, "idle"), metrics.POOL.reading(lambda: pool.get_size() - idle(), "used"):
            yield database
    finally:
        with anyio.move_on_after(5, shield=True) as scope:
            await database.ready.empty()
            await pool.close()
        if scope.cancelled_caught:
            pool.terminate()
