from functools import lru_cache
from typing import Any

from shared.core.backend import RoundTrip
from shared.core.tracing import Attributes

_OPERATIONS = {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "BEGIN", "COMMIT", "ROLLBACK"}


class TimedConnection:
    """A connection whose statements are timed, and spans where the call is recorded: their text, never their values.

    Everything else is the connection's own.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    async def fetch(self, sql: str, *values: Any, **options: Any) -> Any:
        with RoundTrip("postgres", *_described(sql)):
            return await self.raw.fetch(sql, *values, **options)

    async def fetchrow(self, sql: str, *values: Any, **options: Any) -> Any:
        with RoundTrip("postgres", *_described(sql)):
            return await self.raw.fetchrow(sql, *values, **options)

    async def fetchval(self, sql: str, *values: Any, **options: Any) -> Any:
        with RoundTrip("postgres", *_described(sql)):
            return await self.raw.fetchval(sql, *values, **options)

    async def execute(self, sql: str, *values: Any, **options: Any) -> Any:
        with RoundTrip("postgres", *_described(sql)):
            return await self.raw.execute(sql, *values, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


@lru_cache(maxsize=1024)
def _described(sql: str) -> tuple[str, Attributes]:
    """The first word of a statement if it is one we know, and the attributes (OpenTelemetry, `db`)."""
    word = sql.split(None, 1)[0].upper().rstrip(";")
    operation = word if word in _OPERATIONS else "OTHER"
    text = " ".join(sql.split())
    return operation, {"db.system.name": "postgresql", "db.operation.name": operation, "db.query.text": text}
