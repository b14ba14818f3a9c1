"""The three pages for those who start: each is done as it says, from the first block to the last, with an empty home.

With `SUITE_LONG=1` everything is installed as `make setup` does it, in a fresh environment; else that of the tests is
lent. Either way the whole page takes less than five minutes.
"""

import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.clients.sign_in import SignIn
from tests.compose.proxy.site import require
from tests.docs.fences import NEWCOMERS
from tests.docs.talks import SAID, differs
from tests.e2e.ship.newcomers import LONG, Newcomer, blocks, newcomer
from tests.processes import free_port
from tests.shared.edge.web.browsing import Browser, Forms

pytestmark = pytest.mark.anyio

PLATFORM_TEAM, ENGINEER, DESKTOP_USER = NEWCOMERS
LIMIT_S = 300
Open = Callable[[str], Awaitable[Client]]
"""Server → a client of it."""


@contextmanager
def on_time() -> Generator[None]:
    """It takes less than five minutes."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < LIMIT_S
    print(f"the page took {took:.0f} s")  # noqa: T201 - `pytest -rP` shows it


async def play(text: str, open_client: Open) -> list[Any]:
    """The answers to the calls of a block, which have to be as it shows."""
    answers: list[Any] = []
    for what, given, shown in SAID.findall(text):
        server, _, tool = str(what).partition(".")
        client = await open_client(server)
        answers.append((await client.call_tool(tool, json.loads(given))).structured_content)
        wrong = differs(json.loads(shown), answers[-1], {})
        assert wrong is None, f"{what}: {wrong}: {answers[-1]}"
    return answers


async def follow(page: str, who: Newcomer, acts: dict[int, Callable[[str], Awaitable[None]]]) -> None:
    """Do what a page says.

    Args:
        acts: By the number of a block, what is done with it that is no command.
    """
    printed = ""
    for number, block in enumerate(blocks(page)):
        if number in acts:
            await acts[number](block.text)
        elif block.language == "sh":
            printed = who.run(block)
        else:
            assert not block.language, f"{block}: say what a newcomer does with it"
            who.assert_shows(block, printed)


@asynccontextmanager
async def desktop(who: Newcomer, config: str) -> AsyncGenerator[Open]:
    """Clients that start servers as Claude Desktop does: by the entry that was written for it, and nothing else."""
    async with AsyncExitStack() as stack:

        async def open_client(server: str) -> Client:
            entry = who.entry(config, server)
            told = {**who.env, **entry.get("env", {})}
            parameters = StdioServerParameters(command=entry["command"], args=entry["args"], env=told, cwd=who.home)
            log = stack.enter_context((who.home / f"{server}.log").open("w"))
            return await stack.enter_async_context(Client(stdio_client(parameters, errlog=log), mode="legacy"))

        yield open_client


async def test_a_desktop_user_starts_connects_asks_and_confirms(tmp_path: Path) -> None:
    port = free_port()
    with on_time(), newcomer(tmp_path, {8080: port}, SUITE_PORT=str(port)) as who:
        console, cursors = f"http://127.0.0.1:{port}/console", dict[str, SignIn]()

        async def ask(text: str) -> None:
            async with desktop(who, ".config/Claude/claude_desktop_config.json") as open_client:
                assert len(await play(text, open_client)) == 2

        async def send(text: str) -> Any:
            url = who.entry(".cursor/mcp.json", "mail")["url"]
            cursor = cursors.setdefault(url, SignIn("manager", url))  # the same program, which asks for the same thing
            async with cursor.connect("auto") as client:

                async def open_client(_server: str) -> Client:
                    return client

                [answer] = await play(text, open_client)
            return answer

        async def confirm(text: str) -> None:
            told = (await send(text))["error"]["details"]
            path = told["review_url"].removeprefix(console)
            async with Browser(console) as browser:
                page = await browser.sign_in("manager", path, second_factor=True)
                form = f"/requests/{told['approval_id']}/confirm"
                done = await browser.send(form, Forms(page.text).to(form))
                assert done.status_code == 303, done.text

        async def sent(text: str) -> None:
            await send(text)
            async with Browser(f"http://127.0.0.1:{port}/mail-sink") as browser:
                with anyio.fail_after(60):
                    while "ada@customer.example" not in (await browser.get("")).text:
                        await anyio.sleep(0.1)

        await follow(DESKTOP_USER, who, {4: ask, 8: confirm, 9: sent})


async def test_an_engineer_copies_a_server_tests_it_and_finds_its_call_in_the_audit(tmp_path: Path) -> None:
    with on_time(), newcomer(tmp_path, {}) as who:

        async def ask(text: str) -> None:
            async with desktop(who, ".config/Claude/claude_desktop_config.json") as open_client:
                assert len(await play(text, open_client)) == 2

        await follow(ENGINEER, who, {6: ask})


@pytest.mark.skipif(not LONG, reason="SUITE_LONG=1: tests/e2e/test_fleet_up.py starts a fleet each time")
async def test_a_platform_team_runs_a_fleet_verifies_its_audit_and_checks_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("haproxy")
    port = free_port()
    with on_time(), newcomer(tmp_path, {8443: port}, ARGS=f"--port {port}") as who:

        async def ask(text: str) -> None:
            monkeypatch.setenv("SSL_CERT_FILE", str(who.home / ".local/share/mcp-suite/fleet/balancer/authority.pem"))
            async with SignIn("manager", f"https://127.0.0.1:{port}/customers/mcp").connect("auto") as client:

                async def open_client(_server: str) -> Client:
                    return client

                assert len(await play(text, open_client)) == 1
            monkeypatch.undo()

        await follow(PLATFORM_TEAM, who, {2: ask})
