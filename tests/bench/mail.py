"""How fast mails are handed to a relay: `python -m tests.bench.mail`; connections pooled or not, pipelined or not.

The relay is the sink, in a process of its own, on this machine: the figures tell what each saves here, and are no
promise. A delay stands for the way to a relay elsewhere: pipelining saves round trips, of which loopback has none.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from shared.core.smtp_settings import Delivery, Smtp
from shared.edge.outbound.smtp import Letter, open_relay
from shared.edge.outbound.smtp.handing import hand_over
from tests.processes import free_port

_BODY = b"Message-ID: <bench@example.com>\r\nSubject: Bench\r\n\r\n" + b"x" * 70 + b"\r\n"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(delay_s, writer.write, data)
    loop.call_later(delay_s, writer.close)


@asynccontextmanager
async def far(port: int, delay_s: float) -> AsyncGenerator[int]:
    """A port that is so far away from the relay, each way."""

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, back, delay_s), _pump(there, writer, delay_s))

    server = await asyncio.start_server(joined, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def measured(port: int, mails: int, *, pooled: bool, pipelining: bool, connections: int) -> float:
    """Mails a second."""
    smtp = Smtp(
        host="127.0.0.1", port=port, security="none", ehlo="bench", pipelining=pipelining, connections=connections,
        mails_per_connection=10_000 if pooled else 1,
    )  # fmt: skip
    letter = Letter("bench@example.com", ("a@example.com", "b@example.com"), _BODY)
    async with open_relay(smtp, Delivery()) as relay:

        async def one() -> None:
            async with relay.connection() as connection:
                handed = await hand_over(connection, letter, smtp, lambda: None)
            assert handed.became == "taken"

        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(mails):
                tasks.start_soon(one)
        return mails / (time.perf_counter() - began)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=400)
    parser.add_argument("--delay-ms", type=float, default=10)
    parser.add_argument("--connections", type=int, default=4)
    given = parser.parse_args()
    port = free_port()
    environment = {"SINK_PORT": str(port), "SINK_WEB_PORT": str(free_port()), "PATH": ""}
    sink = await asyncio.create_subprocess_exec(sys.executable, "-m", "compose.smtp", env=environment)
    try:
        with anyio.fail_after(20):
            while not await _listens(port):
                await anyio.sleep(0.05)
        for delay_s in (0.0, given.delay_ms / 1000):
            async with far(port, delay_s) as reached:
                for pooled in (False, True):
                    for pipelining in (False, True):
                        rate = await measured(
                            reached, given.mails, pooled=pooled, pipelining=pipelining, connections=given.connections
                        )
                        pooling, writing = (
                            ("pooled" if pooled else "single-use"),
                            ("pipelined" if pipelining else "one by one"),
                        )
                        sys.stdout.write(
                            f"{delay_s * 2000:5.0f} ms away  {pooling:<10} {writing:<10} {rate:8.0f} mails/s\n"
                        )
    finally:
        sink.terminate()
        await sink.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


if __name__ == "__main__":
    asyncio.run(main())
