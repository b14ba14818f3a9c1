"""Everything a Redis is asked for a while, by clients and by scripts, word by word."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_LINE_MOST = 2**20
_WITHIN_S = 10

Command = list[bytes]
"""Its name in small letters, and its arguments; bytes that do not print are escaped as Redis escapes them."""


@asynccontextmanager
async def overhearing(url: str) -> AsyncGenerator[list[Command]]:
    """The commands, all there once the context is left."""
    commands: list[Command] = []
    async with await _connect(url) as asking, await _connect(url) as monitoring:
        lines = BufferedByteReceiveStream(monitoring)
        with anyio.fail_after(_WITHIN_S):
            await monitoring.send(b"MONITOR\r\n")
            assert await _line(lines) == b"+OK"
        yield commands
        end = uuid4().hex.encode()
        with anyio.fail_after(_WITHIN_S):
            await asking.send(b"ECHO " + end + b"\r\n")
            while True:
                name, *words = _WORD.findall(await _line(lines))
                if words == [end]:
                    return
                commands.append([name.lower(), *words])


async def _connect(url: str) -> SocketStream:
    where = urlsplit(url)
    assert where.hostname
    assert where.port
    return await anyio.connect_tcp(where.hostname, where.port)


async def _line(lines: BufferedByteReceiveStream) -> bytes:
    return await lines.receive_until(b"\r\n", _LINE_MOST)
