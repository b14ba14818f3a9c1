"""The configuration of docs/redis-high-availability.md, run: two Redis, a Sentinel, and the master killed."""

import os
import re
import signal
import subprocess
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from redis.exceptions import RedisError

from compose.proxy.programs import find_balancer
from shared.core.settings import Settings
from shared.state.processes import clean_environment, spawn, stop
from shared.state.redis import open_redis
from tests.compose.proxy.site import require
from tests.docs.fences import ROOT
from tests.tls_redis import free_port, redis_program

pytestmark = pytest.mark.anyio

EXAMPLE = ROOT / "docs" / "examples" / "redis-haproxy.cfg"
KEY = "suite:{acme}:kept"
SENTINEL = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor suite 127.0.0.1 {master} 1
sentinel down-after-milliseconds suite 500
sentinel failover-timeout suite 3000
"""


@dataclass
class Pair:
    """Two servers behind HAProxy; the first is the master."""

    url: str
    first: "subprocess.Popen[bytes]"


@pytest.fixture
def pair(tmp_path: Path) -> Generator[Pair]:
    require("haproxy")
    ports, front, sentinel = (free_port(), free_port()), free_port(), free_port()
    with ExitStack() as stack:
        users = f"user suite-health on >the-password-of-suite-health -@all +role\nbind 127.0.0.1\ndir {tmp_path}\n"
        first = _run(stack, tmp_path, "first", f'port {ports[0]}\nsave ""\n{users}')
        _run(stack, tmp_path, "second", f'port {ports[1]}\nsave ""\nreplicaof 127.0.0.1 {ports[0]}\n{users}')
        text = SENTINEL.format(port=sentinel, folder=tmp_path, master=ports[0])
        _run(stack, tmp_path, "sentinel", text, "redis-sentinel")
        _balance(stack, tmp_path, front, ports)
        yield Pair(f"redis://127.0.0.1:{front}/0", first)


def _run(
    stack: ExitStack, folder: Path, name: str, text: str, program: str = "redis-server"
) -> "subprocess.Popen[bytes]":
    config = folder / f"{name}.conf"
    config.write_text(text)
    found = redis_program(program)
    environment = {**clean_environment(), **found.environment}
    with (folder / f"{name}.log").open("ab") as log:
        child = spawn([found.path, config], log, on_parent_death=signal.SIGTERM, environment=environment)
    stack.callback(stop, child, signal.SIGTERM)
    return child


def _balance(stack: ExitStack, folder: Path, front: int, ports: tuple[int, int]) -> None:
    text = EXAMPLE.read_text("utf-8").replace("bind 127.0.0.1:6379", f"bind 127.0.0.1:{front}")
    for number, port in enumerate(ports, 1):
        text, found = re.subn(rf"server redis-{number} \S+", f"server redis-{number} 127.0.0.1:{port}", text)
        assert found == 1
    (folder / "haproxy.cfg").write_text(text)
    program = find_balancer("haproxy")
    environment = {**clean_environment(), **program.environment}
    with (folder / "haproxy.log").open("ab") as log:
        command = [program.path, "-db", "-f", folder / "haproxy.cfg"]
        child = spawn(command, log, on_parent_death=signal.SIGTERM, environment=environment)
    stack.callback(stop, child, signal.SIGTERM)


@pytest.mark.skipif(not os.environ.get("SUITE_LONG"), reason="a fail-over takes seconds: `make e2e` runs it")
async def test_when_the_master_is_killed_calls_are_served_by_the_other_through_the_same_client(pair: Pair) -> None:
    async with open_redis(pair.url, Settings()) as opened:
        client = cast("Any", opened)

        async def served() -> bool:
            """Written, and read over the connection that every call shares."""
            try:
                await client.set(KEY, "1")
                return await client.execute_command("GETEX", KEY) == b"1"
            except (RedisError, OSError):
                return False

        await _until(served)

        async def copied() -> bool:
            return bool(await client.wait(1, 100))

        await _until(copied)
        pair.first.kill()
        pair.first.wait(10)
        assert not await served()
        await _until(served)


async def _until(found: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(30):
        while not await found():
            await anyio.sleep(0.05)
