"""Redis over one connection that all calls share, for the two commands that every call asks.

redis-py takes a connection out of a pool for each command and does much besides; no other part of a call in a session
cost as much (docs/decisions/0023). Here a command is written behind the one before, without waiting for its answer;
answers come in the same order (Redis: pipelining). Whatever else is asked goes redis-py's way, and all of it does
where a URL says more than host, port, user, password and database: a socket, options.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import NoScriptError, RedisError, ResponseError

from shared.state.certificates import Renewed

Word = str | bytes | int | float

_OFTEN = {"GETEX", "EVALSHA"}
"""What is neither blocking nor large, and what redis-py answers as it comes."""

_DEFAULT_PORT = 6379
_UNFINISHED = object()
_LOST = "The connection to Redis was lost"
_CLOSED = "The client of Redis was closed"
_pack: Callable[[tuple[Word, ...]], bytes] = hiredis.pack_command  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportAssignmentType] - its stub takes one word


@dataclass(frozen=True)
class Place:
    """Where a server is, and what it is told first: who we are, and which database we mean."""

    host: str
    port: int
    greeting: Sequence[tuple[Word, ...]]
    secured: Renewed | None = None


def place_of(url: str, secured: Renewed | None = None) -> Place | None:
    """The place a URL names, if it says nothing that only redis-py knows how to do; `secured` is for `rediss://`."""
    parts = urlsplit(url)
    database = parts.path.strip("/")
    if parts.scheme != ("rediss" if secured else "redis") or parts.query or not parts.hostname:
        return None
    if not (database or "0").isdecimal():
        return None
    greeting: list[tuple[Word, ...]] = []
    if parts.password:
        user = (unquote(parts.username),) if parts.username else ()
        greeting.append(("AUTH", *user, unquote(parts.password)))
    if int(database or 0):
        greeting.append(("SELECT", database))
    return Place(unquote(parts.hostname), parts.port or _DEFAULT_PORT, greeting, secured)


class Line(asyncio.Protocol):
    """One connection.

    Args:
        patience_s: An answer that is out for longer means that the connection is dead, and whoever gives up waiting
            then ends it.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._reader: Any = hiredis.Reader(replyError=_failure, notEnoughData=_UNFINISHED)
        self._asked: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self.is_lost = False

    async def ask(self, words: Sequence[Word]) -> Any:
        """The answer to one command.

        Raises:
            ConnectionLost: There will be none; whether it was done is not known.
            RedisError: The server's refusal.
        """
        if self.is_lost:
            raise ConnectionLost(_LOST)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._asked.append((self._loop.time(), answer))
        self._transport.write(_pack(tuple(words)))
        try:
            return await answer
        except asyncio.CancelledError:
            if self._asked and self._loop.time() - self._asked[0][0] >= self._patience_s:
                self.end()
            raise

    def end(self) -> None:
        self.is_lost = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (said := self._reader.gets()) is not _UNFINISHED:
                self._answered(said)
        except (hiredis.ProtocolError, IndexError):  # no Redis, or an answer to nothing: they no longer match
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True
        while self._asked:
            _, answer = self._asked.popleft()
            if not answer.done():
                answer.set_exception(ConnectionLost(_LOST))

    def _answered(self, said: Any) -> None:
        _, answer = self._asked.popleft()
        if not isinstance(said, RedisError):
            if not answer.done():
                answer.set_result(said)
            return
        if not answer.done():
            answer.set_exception(said)
        if str(said).startswith("READONLY"):  # another server took over: find it
            self.end()


class SharedLine:
    """The connection there is, made anew when it was lost.

    Args:
        place: Where to.
        patience_s: See `Line`.
    """

    def __init__(self, place: Place, patience_s: float) -> None:
        self._place = place
        self._patience_s = patience_s
        self._line: Line | None = None
        self._opening = asyncio.Lock()

    async def ask(self, words: Sequence[Word]) -> Any:
        """As `Line.ask`; a lost connection is tried anew once and at once, as redis-py is told to.

        Raises:
            OSError: Nobody listens.
        """
        try:
            return await (await self._open()).ask(words)
        except ConnectionLost:
            return await (await self._open()).ask(words)

    def end(self) -> None:
        if self._line is not None:
            self._line.end()

    async def _open(self) -> Line:
        if self._line is not None and not self._line.is_lost:
            return self._line
        async with self._opening:
            if self._line is None or self._line.is_lost:
                self._line = await self._connected()
            return self._line

    async def _connected(self) -> Line:
        loop, place = asyncio.get_running_loop(), self._place
        tls = place.secured.newest() if place.secured else None
        _, line = await loop.create_connection(lambda: Line(self._patience_s), place.host, place.port, ssl=tls)
        try:
            for words in place.greeting:
                await line.ask(words)
        except BaseException:  # cancelled too: a connection that is not greeted is nobody's
            line.end()
            raise
        return line


class MultiplexedRedis(Redis):
    """redis-py's client, but for what is asked often. Once closed it asks nothing: a straggler would connect anew."""

    shared: SharedLine | None = None
    closed = False

    @classmethod
    def over(
        cls, pool: ConnectionPool, url: str, patience_s: float, secured: Renewed | None = None
    ) -> "MultiplexedRedis":
        """A client over a pool, which it closes, and over one connection more, if the pool's URL is one for that."""
        client = cast("MultiplexedRedis", cls.from_pool(pool))
        place = place_of(url, secured)
        client.shared = SharedLine(place, patience_s) if place else None
        return client

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if self.closed:
            raise ConnectionLost(_CLOSED)
        if self.shared is not None and args[0] in _OFTEN:
            return await self.shared.ask(args)
        return await super().execute_command(*args, **options)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    def pipeline(self, *args: Any, **options: Any) -> Any:
        if self.closed:
            raise ConnectionLost(_CLOSED)
        return super().pipeline(*args, **options)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        self.closed = True
        if self.shared is not None:
            self.shared.end()
        await super().aclose(close_connection_pool)


def _failure(said: str) -> RedisError:
    return NoScriptError(said) if said.startswith("NOSCRIPT") else ResponseError(said)
