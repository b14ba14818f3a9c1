"""`make bench` works, and its load generator knows an answer from a failure. How fast anything is, no test says."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import cycle, repeat
from pathlib import Path

import pytest

from tests.bench.connection import Ask, WrongAnswer
from tests.bench.load import Window, press

ROOT = Path(__file__).parents[1]
ASK = Ask(b"GET / HTTP/1.1\r\n\r\n", b"asked for")
RIGHT = b'{"result":{"content":"asked for"}}'

Say = Callable[[bytes], bytes]


def answer(status: bytes, body: bytes, *headers: bytes) -> bytes:
    head = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, head, len(body), body)


@asynccontextmanager
async def saying(say: Say) -> AsyncGenerator[int]:
    """The port of a server."""
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(say(head))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            await asyncio.wait([task for task in serving if task], timeout=10)


async def pressed(say: Say, ask: Ask = ASK, *, per_second: float = 0) -> Window:
    async with saying(say) as port:
        return await press([port], lambda: repeat(ask), 2, 0.05, 0, per_second=per_second)


def test_right_answers_are_counted() -> None:
    assert asyncio.run(pressed(lambda _: answer(b"200 OK", RIGHT))).latencies_ms


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (b"503 Service Unavailable", RIGHT),
        (b"429 Too Many Requests", RIGHT),
        (b"200 OK", b'{"result":{"content":"something else"}}'),
        (b"200 OK", b'{"result":{"isError":true,"content":"asked for"}}'),
        (b"200 OK", b'{"error":{"code":-32602,"message":"asked for"}}'),
        (b"200 OK", b"asked for"),
    ],
)
def test_an_answer_that_is_not_right_fails_the_run(status: bytes, body: bytes) -> None:
    with pytest.raises(WrongAnswer):
        asyncio.run(pressed(lambda _: answer(status, body)))


def test_a_session_is_opened_first_and_then_named() -> None:
    begin, begun = Ask(b"BEGIN\r\n\r\n", b"welcome"), Ask(b"BEGUN\r\nid: <session>\r\n\r\n", b"", status=b"202")
    ask = Ask(b"ASK\r\nid: <session>\r\n\r\n", b"asked for", opening=(begin, begun))
    heard: list[bytes] = []

    def say(head: bytes) -> bytes:
        heard.append(head)
        if head == begin.request:
            return answer(b"200 OK", b"welcome", b"Mcp-Session-Id: AbC")
        return answer(b"202 Accepted", b"") if head.startswith(b"BEGUN") else answer(b"200 OK", RIGHT)

    window = asyncio.run(pressed(say, ask))
    named = [head.replace(b"<session>", b"AbC") for head in (begun.request, ask.request)]
    assert set(heard) == {begin.request, *named}
    assert [heard.count(head) for head in (begin.request, named[0])] == [2, 2]
    assert window.latencies_ms


def test_an_opening_that_fails_fails_the_run() -> None:
    with pytest.raises(WrongAnswer):
        asyncio.run(pressed(lambda _: answer(b"200 OK", b"no"), replace(ASK, opening=(Ask(b"B\r\n\r\n", b"welcome"),))))


def test_refusals_are_counted_apart_where_they_are_expected() -> None:
    answers = cycle([answer(b"429 Too Many Requests", b"{}"), answer(b"200 OK", RIGHT)])
    window = asyncio.run(pressed(lambda _: next(answers), replace(ASK, refusable=True)))
    assert window.refused
    assert window.latencies_ms


def test_a_given_rate_is_not_exceeded() -> None:
    window = asyncio.run(pressed(lambda _: answer(b"200 OK", RIGHT), per_second=100))
    assert 0 < len(window.latencies_ms) <= 100 * window.seconds + 2


@pytest.mark.skipif("SUITE_LONG" not in os.environ, reason="half a minute long: `make drills` runs it")
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
        "sessions and limits in Redis, all controls",
    ):
        assert f"| {row}" in ended.stdout or f", {row}" in ended.stdout or f": {row}" in ended.stdout


@pytest.mark.skipif("SUITE_LONG" not in os.environ, reason="a quarter of a minute long: `make drills` runs it")
def test_a_quick_run_of_the_audit_tells_what_each_index_costs() -> None:
    command = [sys.executable, "-m", "tests.bench", "--only", "audit", "--quick"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    for row in ("verified, 2,000", "no index", "all indexes", "without audit_named"):
        assert f"| {row}" in ended.stdout
