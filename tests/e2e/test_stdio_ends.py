"""Servers over stdio beside each other, and what is left when one of them, or its client, ends in whatever way."""

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.clients.local import Local
from tests.clients.processes import eventually, processes_of
from tests.clients.wire import COMMAND, wired
from tests.harness import Databases
from tests.processes import free_port
from tests.services import source

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left"),
]

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'

CLIENT = f"""
import subprocess, time
server = subprocess.Popen({COMMAND!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
server.stdin.write({PING!r})
server.stdin.flush()
print(server.stdout.readline().decode(), flush=True)
time.sleep(600)
"""
"""A client that starts a server, hears from it, and never ends by itself."""


@pytest.fixture
async def local(databases: Databases, tmp_path: Path) -> Local:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return Local(await databases.fresh(), folder)


@pytest.mark.parametrize("asked", [b"", PING], ids=["idle", "with an answer on its way"])
async def test_a_client_that_closes_stdout_ends_it_without_a_word(local: Local, asked: bytes) -> None:
    """Of anyio's processes, the end that reads cannot be closed: this one is held by its descriptor."""
    ours, theirs = os.pipe()
    with local.errors.open("wb") as log, anyio.fail_after(60):
        process = await anyio.open_process(COMMAND, stdout=theirs, stderr=log, env=local.env)
        os.close(theirs)
        assert process.stdin is not None
        await process.stdin.send(PING)
        await anyio.wait_readable(ours)
        if asked:
            await process.stdin.send(asked)
        os.close(ours)
        assert await process.wait() == 0
        await process.aclose()
    assert "Traceback" not in await anyio.Path(log.name).read_text()
    assert processes_of(local.folder) == {}


async def test_processes_that_share_a_port_for_metrics_serve_all_the_same(local: Local) -> None:
    env = {**local.env, "SUITE_METRICS_PORT": str(free_port())}
    async with wired(env, local.errors) as first, wired(env, local.errors) as second:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.greet)
            tasks.start_soon(second.greet)
        for wire in (first, second):
            assert "result" in await wire.ask("tools/list", {})
    said = [wire.log().count("there are no metrics of this process") for wire in (first, second)]
    assert sorted(said) == [0, 1]


async def test_whoever_is_killed_the_others_go_on_and_nothing_is_left_of_the_last(tmp_path: Path) -> None:
    env = {"SUITE_DATA_DIR": str(tmp_path / "data"), "SUITE_EMBEDDED_SOURCE": source()}
    async with wired(env, tmp_path / "first.log") as first:
        await first.greet()
        with (tmp_path / "client.log").open("wb") as log:
            client = await anyio.open_process([sys.executable, "-c", CLIENT], env=env, stderr=log)
        assert client.stdout is not None
        with anyio.fail_after(60):
            assert b'"result"' in await client.stdout.receive()
        client.kill()
        await eventually(lambda: not servers_of(tmp_path, "serve") - {first.process.pid}, 15)
        found: dict[str, Any] = await first.call("search_customers", {"query": "anybody"})
        assert "isError" not in found or not found["isError"], "the embedded database went with its other user"
        first.process.kill()
        await eventually(lambda: processes_of(tmp_path / "data") == {}, 15)
        await client.aclose()


def servers_of(folder: Path, naming: str) -> set[int]:
    return {pid for pid, command in processes_of(folder).items() if naming in command and "-c" not in command}
