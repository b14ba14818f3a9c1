"""`make bench` works, and its load generator knows an answer from a failure. How fast anything is, no test says."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from itertools import repeat
from pathlib import Path

import pytest

from tests.bench.load import Ask, WrongAnswer, press

ROOT = Path(__file__).parents[1]
ASK = Ask(b"GET / HTTP/1.1\r\n\r\n", b"asked for")
RIGHT = b'{"result":{"content":"asked for"}}'


async def pressed(status: bytes, body: bytes) -> int:
    """How many answers one window counted of a server that always says the same."""

    serving: list[asyncio.Task[None] | None] = []

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            return len((await press(port, lambda: repeat(ASK), 2, 0.05, 0)).latencies_ms)
        finally:
            await asyncio.wait([task for task in serving if task], timeout=10)


def test_right_answers_are_counted() -> None:
    assert asyncio.run(pressed(b"200 OK", RIGHT)) > 0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (b"503 Service Unavailable", RIGHT),
        (b"200 OK", b'{"result":{"content":"something else"}}'),
        (b"200 OK", b'{"result":{"isError":true,"content":"asked for"}}'),
        (b"200 OK", b'{"error":{"code":-32602,"message":"asked for"}}'),
        (b"200 OK", b"asked for"),
    ],
)
def test_an_answer_that_is_not_right_fails_the_run(status: bytes, body: bytes) -> None:
    with pytest.raises(WrongAnswer):
        asyncio.run(pressed(status, body))


def test_a_quick_run_measures_one_thing_of_each_kind() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "PostgreSQL" in ended.stdout
    for row in (
        "official SDK, MCPServer, no-op",
        "suite, get_customer",
        "no control",
        "create_customer",
        "verified, 2,000",
    ):
        assert f"| {row}" in ended.stdout or f", {row}" in ended.stdout
