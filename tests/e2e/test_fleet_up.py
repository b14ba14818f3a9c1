"""The newcomer's path to a fleet: one command, what it prints, a client through TLS, Ctrl-C."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from compose.fleet.plan import free_ports
from tests.clients.processes import eventually, processes_of
from tests.clients.sign_in import SignIn
from tests.compose.proxy.site import require
from tests.docs.fences import claimed

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left"),
]

TRUST, ENVIRONMENT = claimed("docs/run-a-fleet.md", 2)
_START_S = 120.0


@dataclass
class Printed:
    """A started fleet, and what it printed."""

    text: str
    running: "subprocess.Popen[bytes]"

    def after(self, name: str) -> str:
        """The text beside a name."""
        found = re.search(rf"^  {re.escape(name)} +(.*)$", self.text, re.MULTILINE)
        assert found, self.text
        return found[1]


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_", "REDIS_"))}


@asynccontextmanager
async def fleet_up(folder: Path, port: int, replicas: int) -> AsyncGenerator[Printed]:
    """`make fleet`, from its first line to the one that says that everything runs."""
    options = ["--server", "customers", "--replicas", str(replicas), "--port", str(port), "--folder", str(folder)]
    shown = folder.with_suffix(".txt")
    with shown.open("wb") as output:
        running = subprocess.Popen(  # noqa: ASYNC220 - starting is quick
            [sys.executable, "-m", "compose.fleet", *options], env=clean(), stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + _START_S
        while "Ctrl-C ends it" not in shown.read_text():
            assert running.poll() is None, shown.read_text()
            assert time.monotonic() < deadline, shown.read_text()
            await anyio.sleep(0.05)
        yield Printed(shown.read_text(), running)
    finally:
        running.kill()
        running.wait(10)


def run(line: str, **more: str) -> str:
    """What a printed command prints."""
    words = shlex.split(line)
    program = Path(sys.executable).with_name(Path(words[0]).name)
    done = subprocess.run(
        [program, *words[1:]], env=clean() | more, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_one_command_starts_a_fleet_that_a_client_can_trust_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("haproxy")
    folder = tmp_path / "fleet"
    [port] = free_ports(1)
    async with fleet_up(folder, port, 2) as printed:
        assert_is_printed_as_the_page_shows(printed, folder)
        name, trusted = printed.after("trust, in Python").removeprefix("export ").split("=")
        monkeypatch.setenv(name, trusted)
        await signed_in(printed.after("customers"))
        answered = await customer_through(printed)
        assert {name.split(".")[0] for name in answered} == {"customers-1", "customers-2"}
        kept = dict(line.split("=", 1) for line in (folder / "environment").read_text().splitlines())
        environment = {name: shlex.split(value)[0] for name, value in kept.items()}
        assert "intact" in run(".venv/bin/mcp-suite audit verify", **environment)
        assert (folder / "environment").stat().st_mode & 0o077 == 0

        assert len(processes_of(folder)) > 5
        printed.running.send_signal(signal.SIGINT)
        with anyio.fail_after(30):
            while printed.running.poll() is None:
                await anyio.sleep(0.05)
        assert printed.running.returncode == 0
        assert "Traceback" not in folder.with_suffix(".txt").read_text()
        await eventually(lambda: not processes_of(folder), 10)

    async with fleet_up(folder, port, 1) as printed:
        printed.running.kill()
        await eventually(lambda: not processes_of(folder), 30)


def assert_is_printed_as_the_page_shows(printed: Printed, folder: Path) -> None:
    shown = [line.partition("#")[0].strip() for line in (TRUST + ENVIRONMENT).splitlines()]
    lines = [
        printed.after(name).partition("#")[0].strip() for name in ("trust, in Python", "trust, in Node", "mcp-suite")
    ]
    assert [line.replace(str(folder), "~/.local/share/mcp-suite/fleet") for line in lines] == shown


async def signed_in(url: str) -> None:
    """A client that knows nothing but the URL, and somebody at its browser."""
    async with SignIn("manager", url).connect("auto") as client:
        await read(client)


async def customer_through(printed: Printed) -> Counter[str]:
    """Who answered clients of both eras that have the token whose command was printed."""
    headers = {"Authorization": f"Bearer {run(printed.after('token')).strip()}"}
    answered: Counter[str] = Counter()

    async def note(response: httpx2.Response) -> None:
        answered[response.headers["suite-replica"]] += 1

    async with httpx2.AsyncClient(headers=headers, event_hooks={"response": [note]}) as http:
        for mode in ("auto", "legacy"):
            async with Client(
                streamable_http_client(printed.after("customers"), http_client=http), mode=mode
            ) as client:
                await read(client)
    return answered


async def read(client: Client) -> None:
    answer = await client.call_tool("get_customer", {"customer_id": "C-000001"})
    assert answer.structured_content
    assert answer.structured_content["id"] == "C-000001"
