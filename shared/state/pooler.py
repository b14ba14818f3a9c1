"""Whether a pooler is between us and PostgreSQL, and whether the settings say so: a wrong one loses data quietly."""

from contextlib import AsyncExitStack
from typing import Any, Literal

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.contract import Finding
from shared.state.database import Database, connect
from shared.state.lending import UNSAID, session_url

Found = Literal["none", "session", "transaction"]

_BESIDE = 3
_LED_ASTRAY = "leads through a pooler by the transaction"
_SESSION_FIX = "Let SUITE_DATABASE_SESSION_URL name PostgreSQL itself, or a pooler with pool_mode = session."


async def found_at(url: str) -> Found:
    """What a URL leads through, as far as can be told by using it.

    PostgreSQL names its process as a connection is opened, and again when it is asked; a pooler's answer to the
    first is its own. One that lends connections by the transaction gives them on: after another has had ours, we are
    somewhere else. (On a busy one somebody else may have had it; then, too, we are.)

    Raises:
        Unavailable: It cannot be reached.
    """
    async with AsyncExitStack() as stack:

        async def opened() -> Any:
            connection = await connect(url, "pooler", lent=True)
            stack.callback(connection.terminate)
            return connection

        first = await opened()
        before = await _process(first)
        if before == first.get_server_pid():
            return "none"
        for _ in range(_BESIDE):
            other = await opened()
            await other.execute("BEGIN")
            await _process(other)
            if await _process(first) != before:
                return "transaction"
        return "session"


async def require_as_said(database: Database, url: str, settings: Settings) -> None:
    """Refuse to start through a pooler that the settings do not know of.

    Raises:
        Misconfigured: It says which settings.
    """
    if settings.database_pooler == "none":
        async with database.connection() as connection:
            if await _process(connection) == connection.get_server_pid():
                return
        if await found_at(url) == "transaction":
            raise Misconfigured(f"a pooler lends us connections to PostgreSQL by the transaction. {UNSAID}")
    elif await found_at(session_url(settings, url)) == "transaction":
        raise Misconfigured(f"SUITE_DATABASE_SESSION_URL {_LED_ASTRAY}. {_SESSION_FIX}")


async def pooler(url: str, settings: Settings) -> list[Finding]:
    """Lines of `doctor`."""
    found = await found_at(url)
    said = settings.database_pooler
    if found == "transaction" and said == "none":
        return [Finding("problem", "a pooler lends connections by the transaction, and the settings know none", UNSAID)]
    if said == "none":
        return [Finding("ok", "no pooler in between" if found == "none" else "a pooler in between keeps sessions")]
    straight = await found_at(session_url(settings, url))
    if straight == "transaction":
        return [Finding("problem", f"SUITE_DATABASE_SESSION_URL {_LED_ASTRAY}", _SESSION_FIX)]
    if found == "none":
        fix = "Unset SUITE_DATABASE_POOLER, which costs a round trip a statement; or name the pooler in the URL."
        return [Finding("warning", "SUITE_DATABASE_POOLER=transaction, but there is no pooler in between", fix)]
    return [Finding("ok", "a pooler lends connections by the transaction, and sessions of our own lead past it")]


async def _process(connection: Any) -> int:
    return await connection.fetchval("SELECT pg_backend_pid()")
