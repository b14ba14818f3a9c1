import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from shared.core.errors import Unavailable
from shared.core.metrics import BUS_LOST
from shared.core.settings import Settings
from shared.state.bus import Inbox
from shared.state.inbox import BoundedInbox
from shared.state.redis_calls import RedisCalls

_PING_S = 2.0
_PAUSE_S = 0.05
_PAUSE_MOST_S = 1.0

log = structlog.get_logger("bus")


@dataclass
class _Topic:
    """Who hears a topic.

    Attributes:
        inboxes: Of all, those included that wait for the server to confirm the subscription.
        entered: Of those who wait no longer, be it that they waited in vain.
    """

    inboxes: set[BoundedInbox] = field(default_factory=set[BoundedInbox])
    entered: set[BoundedInbox] = field(default_factory=set[BoundedInbox])
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)

    def confirm(self) -> None:
        """From now on everything arrives; who entered before may have missed something."""
        for inbox in self.entered:
            BUS_LOST.add("connection_lost")
            inbox.miss()
        self.entered = set(self.inboxes)
        self.confirmed.set()
        for inbox in self.inboxes:
            inbox.live = True

    def lose(self) -> None:
        """Until it is confirmed again nothing arrives."""
        self.confirmed.clear()
        for inbox in self.inboxes:
            inbox.live = False


class RedisBus:
    """Over one connection of its own for all a process listens to; open it with `open_redis_bus`."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._pool: Any = redis.connection_pool
        self._calls = RedisCalls(redis, settings, "Other replicas")
        self._timeout_s = settings.redis_timeout_s
        self._topics: dict[bytes, _Topic] = {}
        self._commands: deque[tuple[str, bytes]] = deque()
        self._awaited: Counter[bytes] = Counter()
        """Subscriptions the server has not confirmed yet; a topic left and entered again awaits two."""
        self._wake = asyncio.Event()
        self._serving = False

    async def publish(self, topic: str, message: bytes = b"") -> None:
        try:
            await self._calls.command("PUBLISH", channel_of(topic), message)
        except Unavailable:
            BUS_LOST.add("not_sent")

    @asynccontextmanager
    async def listening(self, topic: str) -> AsyncGenerator[Inbox]:
        channel, inbox = channel_of(topic).encode(), BoundedInbox()
        heard = self._topics.get(channel)
        if heard is None:
            heard = self._topics[channel] = _Topic()
            self._ask("SUBSCRIBE", channel)
        heard.inboxes.add(inbox)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await heard.confirmed.wait()
            heard.entered.add(inbox)
            inbox.live = heard.confirmed.is_set()
            yield inbox
        finally:
            heard.inboxes.discard(inbox)
            heard.entered.discard(inbox)
            if not heard.inboxes and self._topics.get(channel) is heard:
                del self._topics[channel]
                self._ask("UNSUBSCRIBE", channel)

    async def run(self) -> None:
        """Keep the connection until cancelled, and make another whenever it is lost, for ever."""
        pause_s = _PAUSE_S
        while True:
            connection = self._pool.make_connection()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await connection.connect()
                pause_s = _PAUSE_S
                await self._serve(connection)
            except* (RedisError, OSError, TimeoutError) as lost:
                log.warning("the bus lost its connection, will make another", error=type(lost.exceptions[0]).__name__)
            except* Exception:  # the boundary of background work, as protocol.py is that of calls
                log.exception("the bus failed, will make another connection")
            finally:
                self._serving = False
                for topic in self._topics.values():
                    topic.lose()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - spreads replicas, guards nothing
            pause_s = min(pause_s * 2, _PAUSE_MOST_S)

    async def _serve(self, connection: Any) -> None:
        """Subscribe to everything, and read and write until the connection breaks."""
        self._serving = True
        self._commands.clear()
        self._awaited.clear()
        for channel in self._topics:
            self._ask("SUBSCRIBE", channel)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._write, connection)
            tasks.start_soon(self._read, connection)

    async def _write(self, connection: Any) -> None:
        """Send what `_ask` left; one writer, since a write that is cancelled takes the connection with it."""
        while True:
            self._wake.clear()
            if not self._commands:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PING_S):
                        await self._wake.wait()
            commands = list(self._commands) or [("PING",)]
            self._commands.clear()
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)

    async def _read(self, connection: Any) -> None:
        patience_s = _PING_S + self._timeout_s
        read: Any = partial(connection.read_response, timeout=patience_s, push_request=True, disconnect_on_error=False)
        while True:
            said = await read()
            if said is None:
                raise ConnectionLost("no answer to a ping")
            match said:
                case [b"message", channel, message]:
                    self._deliver(channel, message)
                case [b"subscribe", channel, _]:
                    self._confirmed(channel)
                case _:
                    pass

    def _ask(self, command: str, channel: bytes) -> None:
        if not self._serving:  # the next connection begins with everything
            return
        self._commands.append((command, channel))
        if command == "SUBSCRIBE":
            self._awaited[channel] += 1
        self._wake.set()

    def _confirmed(self, channel: bytes) -> None:
        self._awaited[channel] -= 1
        if self._awaited[channel] <= 0:
            del self._awaited[channel]
            if (topic := self._topics.get(channel)) is not None:
                topic.confirm()

    def _deliver(self, channel: bytes, message: bytes) -> None:
        topic = self._topics.get(channel)
        for inbox in topic.entered if topic is not None else ():
            if not inbox.put(message):
                BUS_LOST.add("inbox_full")


@asynccontextmanager
async def open_redis_bus(redis: Redis, settings: Settings) -> AsyncGenerator[RedisBus]:
    """A bus that listens as long as the context lasts; it is entered even while Redis is away."""
    bus = RedisBus(redis, settings)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bus.run)
        try:
            yield bus
        finally:
            tasks.cancel_scope.cancel()


def channel_of(topic: str) -> str:
    """The channel of a topic; scripts that keep something publish there too."""
    return f"suite:bus:{topic}"
