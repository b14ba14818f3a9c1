"""A relay of a test's own, and a client for it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from compose.smtp.sink import Sink, open_sink
from shared.core.smtp_settings import Delivery, Smtp
from shared.edge.outbound.smtp import Handed, Letter, Relay, open_relay
from shared.edge.outbound.smtp.handing import hand_over

ADA, BEN = "ada@example.com", "ben@example.org"


def letter(*recipients: str, body: str = "Hello", **facts: Any) -> Letter:
    mime = f"Message-ID: <one@example.com>\r\nSubject: A test\r\n\r\n{body}\r\n"
    return Letter("desk@example.com", recipients or (ADA,), mime.encode(), **facts)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Handling:
    sink: Sink
    relay: Relay
    clock: Clock

    async def send(self, what: Letter) -> Handed:
        async with self.relay.connection() as connection:
            return await hand_over(connection, what, self.relay.smtp, lambda: None)


@asynccontextmanager
async def handling(
    sink: Sink | None = None, delivery: dict[str, Any] | None = None, **smtp: Any
) -> AsyncGenerator[Handling]:
    """A sink that listens, and a relay set to it; `smtp` are its other settings."""
    clock = Clock()
    async with open_sink(sink) as opened:
        told: dict[str, Any] = {"host": "127.0.0.1", "port": opened.port, "security": "none", "ehlo": "test", **smtp}
        async with open_relay(Smtp(**told), Delivery(**(delivery or {})), clock) as relay:
            yield Handling(opened, relay, clock)
