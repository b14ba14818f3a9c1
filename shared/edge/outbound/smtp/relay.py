"""The relay as a process has it: a few connections that are used again, and a breaker.

A connection is given back whole, or closed. One that lay idle, or on which a mail did not come to its end, is asked
with RSET before it is used again; one that is too old, or carried its share of mails, is not used again.
"""

import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

from shared.core import metrics
from shared.core.errors import Misconfigured
from shared.core.smtp_settings import Delivery, Smtp
from shared.edge.outbound.breaker import Breaker, State
from shared.edge.outbound.smtp.connecting import connect, tls_context
from shared.edge.outbound.smtp.connection import Connection
from shared.edge.outbound.smtp.outcomes import Unreachable

_WINDOW_S = 60.0

Connect = Callable[[], Awaitable[Connection]]


class Relay:
    """See `open_relay`.

    Attributes:
        made: How many connections were made.
    """

    def __init__(self, smtp: Smtp, breaker: Breaker, connect: Connect, clock: Callable[[], float]) -> None:
        self.smtp = smtp
        self.made = 0
        self._breaker = breaker
        self._connect = connect
        self._clock = clock
        self._free = anyio.Semaphore(smtp.connections)
        self._idle: deque[Connection] = deque()

    @property
    def state(self) -> State:
        return self._breaker.state

    def wait_s(self) -> float:
        """How long it is left alone; 0 if it may be asked."""
        return self._breaker.wait_s()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """A connection for one mail, once one is free. How it ends decides whether the relay counts as there.

        Raises:
            Unreachable: There is none to be had.
        """
        async with self._free:
            admitted = self._breaker.admit()
            if admitted is None:
                raise Unreachable("left_alone", f"{self.smtp.host} failed too often and is not asked for a while")
            try:
                connection = await self._good() or await self._new()
            except Unreachable:
                self._breaker.failed(admitted)
                raise
            except BaseException:  # cancelled: that says nothing of the relay, and must not leave the breaker waiting
                self._breaker.gave_up(admitted)
                raise
            try:
                yield connection
            except BaseException:  # cancelled amid a mail: nobody knows where the connection stands
                self._breaker.gave_up(admitted)
                connection.close(politely=False)
                raise
            if connection.broken:
                self._breaker.failed(admitted)
            else:
                self._breaker.succeeded(admitted)
            self._put_back(connection)

    async def _good(self) -> Connection | None:
        """One that was used before, the youngest rest first, if it is still good."""
        while self._idle:
            connection = self._idle.pop()
            rested = self._clock() - connection.used_at > self.smtp.idle_s
            if self._worn(connection):
                connection.close()
            elif not (rested or connection.dirty) or await connection.reset(self.smtp.connect_s):
                return connection
            else:
                connection.close(politely=False)
        return None

    async def _new(self) -> Connection:
        with metrics.BACKEND_S.timed("smtp", "connect"):
            connection = await self._connect()
        self.made += 1
        return connection

    def _worn(self, connection: Connection) -> bool:
        smtp = self.smtp
        too_old = self._clock() - connection.made_at >= smtp.connection_age_s
        return connection.broken or too_old or connection.mails >= smtp.mails_per_connection

    def _put_back(self, connection: Connection) -> None:
        if self._worn(connection):
            connection.close(politely=not connection.broken)
        else:
            self._idle.append(connection)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


@asynccontextmanager
async def open_relay(
    smtp: Smtp, delivery: Delivery, clock: Callable[[], float] = time.monotonic
) -> AsyncGenerator[Relay]:
    """The relay of the settings, for as long as the context lasts; nothing is connected yet.

    Raises:
        Misconfigured: `ca_file` cannot be read.
    """
    try:
        tls = tls_context(smtp)
    except OSError as error:
        raise Misconfigured(f"smtp.ca_file cannot be used: {error}") from None
    breaker = Breaker(delivery.breaker_failures, _WINDOW_S, delivery.breaker_open_s, clock)
    relay = Relay(smtp, breaker, lambda: connect(smtp, tls, clock), clock)
    try:
        with metrics.MAIL_RELAY.reading(lambda: relay.state != "closed", "left_alone"):
            yield relay
    finally:
        relay.close()
