"""A pooler between us and PostgreSQL lends a connection for one transaction (`SUITE_DATABASE_POOLER=transaction`).

What a session would keep for the next transaction is lost, or worse, found by another process: settings, advisory
locks, channels listened to, prepared statements that have a name. So none of those is used over it. asyncpg then
sends each statement without a name, its text again beside its values, which takes a second round trip; PostgreSQL is
told how long a transaction's statements may take as it begins, and is asked to cancel single ones that take longer.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from shared.core.settings import Settings
from shared.state.lines import verified
from shared.state.timed import TimedConnection

UNSAID = (
    "Set SUITE_DATABASE_POOLER=transaction, and SUITE_DATABASE_SESSION_URL to a URL past the pooler "
    "(docs/managed-postgresql.md)."
)
"""What to do where a pooler is, and the settings do not say so."""

READ_ONLY = "default_transaction_read_only"
_IDLE_MS = 60_000
_NUMBERS = count(1)


def session_url(settings: Settings, url: str) -> str:
    """Where to open what stays ours for longer than a transaction: it holds a lock, or listens."""
    told = settings.database_session_url
    return verified(told.get_secret_value(), settings) if told else url


def refused_as_unknown(error: BaseException) -> bool:
    """Whether a pooler refused what only PostgreSQL itself understands as a session begins."""
    return isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" in str(error)


def session_settings(settings: Settings) -> dict[str, str]:
    """What a session of our own is opened with."""
    return {
        "application_name": "mcp-suite",
        "statement_timeout": str(_statement_ms(settings)),
        "jit": "off",  # short statements: compiling them takes longer than running them
        "idle_in_transaction_session_timeout": str(_IDLE_MS),
        **({READ_ONLY: "on"} if settings.read_only else {}),
    }


def transaction_settings(settings: Settings, *, read_only: bool) -> str:
    """The same as SQL, for one transaction: it follows its BEGIN in the same message."""
    words = [f"statement_timeout = {_statement_ms(settings)}", "jit = off"]
    words += [f"idle_in_transaction_session_timeout = {_IDLE_MS}"]
    words += ["transaction_read_only = on"] if read_only else []
    return "".join(f"; SET LOCAL {each}" for each in words)


def apart(url: str) -> tuple[str, bool]:
    """A DSN without the words that a pooler would refuse, and whether they made its sessions read-only."""
    parts = urlsplit(url)
    said = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode([(name, value) for name, value in said if name != READ_ONLY])
    return parts._replace(query=query).geturl(), (READ_ONLY, "on") in said


class LentCursor:
    """A cursor of the transaction, in SQL: asyncpg's has a statement with a name, which would outlive it."""

    def __init__(self, connection: "LentConnection", name: str) -> None:
        self._connection = connection
        self._name = name

    async def fetch(self, rows: int) -> Any:
        return await self._connection.fetch(f"FETCH FORWARD {int(rows)} FROM {self._name}")


class LentConnection(TimedConnection):
    """A connection through the pooler.

    Args:
        raw: asyncpg's.
        begin: Begins a transaction that can only read, if all of them are to be like that.
    """

    __slots__ = ("_begin",)

    def __init__(self, raw: Any, begin: str | None) -> None:
        super().__init__(raw)
        self._begin = begin

    async def fetch(self, sql: str, *values: Any, **options: Any) -> Any:
        async with self._guarded():
            with _in_time(options):
                return await super().fetch(sql, *values, **options)

    async def fetchrow(self, sql: str, *values: Any, **options: Any) -> Any:
        async with self._guarded():
            with _in_time(options):
                return await super().fetchrow(sql, *values, **options)

    async def fetchval(self, sql: str, *values: Any, **options: Any) -> Any:
        async with self._guarded():
            with _in_time(options):
                return await super().fetchval(sql, *values, **options)

    async def execute(self, sql: str, *values: Any, **options: Any) -> Any:
        with _in_time(options):
            return await super().execute(sql, *values, **options)

    async def cursor(self, sql: str, *values: Any) -> LentCursor:
        """The rows of a statement, by and by; in a transaction only."""
        name = f"suite_{next(_NUMBERS)}"
        await self.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", *values)
        return LentCursor(self, name)

    @asynccontextmanager
    async def _guarded(self) -> AsyncGenerator[None]:
        """A transaction around a statement that is in none, where it must not write."""
        if self._begin is None or self.raw.is_in_transaction():
            yield
            return
        await self.execute(self._begin)
        try:
            yield
        finally:
            if not self.raw.is_closed():
                await self.execute("ROLLBACK")


def _statement_ms(settings: Settings) -> int:
    return int(settings.statement_timeout_s * 1000)


@contextmanager
def _in_time(options: dict[str, Any]) -> Generator[None]:
    """A client has a statement cancelled that takes too long; PostgreSQL itself would call that by this name."""
    try:
        yield
    except TimeoutError:
        if "timeout" in options:
            raise
        raise asyncpg.QueryCanceledError("canceling statement due to statement timeout") from None
