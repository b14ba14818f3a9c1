"""One connection to the relay, ready for mails.

aiosmtplib makes it (`connecting.py`); mails are handed over by `handing.py`, for two things that aiosmtplib cannot do:
several commands in one write, whose answers it would lose, and telling whether a connection that went had the text.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from shared.edge.outbound.smtp.outcomes import Reply
from shared.edge.outbound.smtp.wire import Offers

_LINES_MAX = 100
_CODE_DIGITS = 3
_CLOSING = 421


class Closes(Protocol):
    """What a connection was made by, and holds open."""

    def close(self) -> None: ...


class Gone(Exception):
    """No answer: the connection was lost, the time is over, or what came is not SMTP."""


class Connection:
    """Attributes:
    offers: What the relay said it can do.
    mails: How many were begun.
    made_at: By `clock`.
    used_at: The same; of the last answer.
    dirty: A mail was begun and not ended: RSET first.
    broken: Nothing more can be said over it.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        offers: Offers,
        owner: Closes,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._owner = owner
        self._clock = clock
        self.offers = offers
        self.mails = 0
        self.made_at = self.used_at = clock()
        self.dirty = False
        self.broken = False

    async def say(self, data: bytes, within_s: float) -> None:
        """Write it all.

        Raises:
            Gone: It cannot be; how much of it arrived nobody knows.
        """
        try:
            self._writer.write(data)
            async with asyncio.timeout(within_s):
                await self._writer.drain()
        except (OSError, RuntimeError, TimeoutError) as error:
            raise self._gone() from error

    async def answer(self, within_s: float) -> Reply:
        """The next reply, all lines of it (RFC 5321 §4.2.1).

        Raises:
            Gone: There is none.
        """
        try:
            async with asyncio.timeout(within_s):
                reply = await self._reply()
        except (OSError, EOFError, ValueError, TimeoutError) as error:  # ValueError: too long, or no code
            raise self._gone() from error
        self.used_at = self._clock()
        if reply.code == _CLOSING:
            self.broken = True
        return reply

    async def _reply(self) -> Reply:
        lines: list[str] = []
        for _ in range(_LINES_MAX):
            line = (await self._reader.readuntil(b"\n")).decode("utf-8", "replace").rstrip("\r\n")
            code, mark = line[:_CODE_DIGITS], line[_CODE_DIGITS : _CODE_DIGITS + 1]
            if not (code.isdecimal() and len(code) == _CODE_DIGITS and mark in ("", " ", "-")):
                raise ValueError("not a reply of SMTP")
            lines.append(line[_CODE_DIGITS + 1 :])
            if mark != "-":
                return Reply.of(int(code), lines)
        raise ValueError("a reply without an end")

    async def reset(self, within_s: float) -> bool:
        """Whether the relay is still there and has forgotten whatever was begun (RSET)."""
        try:
            await self.say(b"RSET\r\n", within_s)
            reply = await self.answer(within_s)
        except Gone:
            return False
        self.dirty = False
        return not reply.permanent and not self.broken

    def close(self, *, politely: bool = True) -> None:
        """Let go of it; nobody waits for the relay's goodbye."""
        if politely and not self.broken and not self.dirty:
            self._writer.write(b"QUIT\r\n")
        self.broken = True
        self._writer.close()
        self._owner.close()

    def _gone(self) -> Gone:
        self.broken = True
        return Gone()
