"""What a server over stdio imports before a client has its list is what the client waits for, and what stays in memory
as long as it is open: each of these was dropped once, and must not come back unnoticed.
"""

import os
import re
import sys
from pathlib import Path

import anyio
import pytest

import servers
from tests.clients.wire import COMMAND, Wire
from tests.harness import Databases

pytestmark = pytest.mark.anyio

SPARED = {
    # of others' libraries
    *("aiosmtpd", "alembic", "authlib", "hvac", "prometheus_client", "pypdf", "redis", "selectolax.parser"),
    *("cryptography.x509", "httpx", "joserfc", "rich.progress", "sqlalchemy.orm", "stamina", "tenacity"),
    # of ours: HTTP, tokens, calls to others, Redis, other commands
    *("compose", "shared.app", "shared.edge.exchange", "shared.edge.http", "shared.edge.peers.asked"),
    *("shared.edge.outbound.client", "shared.edge.outbound.opened", "shared.steps.auth", "shared.steps.tokens"),
    *("shared.ops.connect", "shared.ops.doctor", "shared.ops.serving", "shared.ops.vault.resolving"),
    *("shared.state.http", "shared.state.migrate", "shared.state.redis"),
}
"""What no server over stdio has a use for before it is asked for something."""

ALSO = {
    "customers": {"aiosmtplib", "jinja2", "markdown_it", "nh3", "phonenumbers", "shared.steps.untrusted", "yaml"},
    "documents": {"aiosmtplib", "jinja2", "nh3", "phonenumbers"},
    "tickets": {"aiosmtplib", "jinja2", "markdown_it", "nh3", "phonenumbers", "shared.steps.untrusted", "yaml"},
    "mail": {"markdown_it", "shared.steps.untrusted", "yaml"},
}
"""What one of them has no use for either."""

_IMPORTED = re.compile(rb"^import time:.*\| +(\S+)$", re.MULTILINE)


async def imported(server: str, env: dict[str, str], told: Path) -> set[str]:
    """The modules that a process of the server imported until its list was there."""
    with told.open("wb") as errors:
        command = [sys.executable, "-X", "importtime", COMMAND[0], "serve", server, "--stdio"]
        process = await anyio.open_process(command, stderr=errors, env=env)
    wire = Wire(process, told, "legacy")
    try:
        await wire.greet()
        assert (await wire.ask("tools/list", {}, 2))["result"]["tools"]
        found = {name.decode() for name in _IMPORTED.findall(await anyio.Path(told).read_bytes())}
    finally:
        await wire.hang_up(60)
    assert {"mcp", "shared.pipeline", f"servers.{server}.tools"} <= found, "this would see no import at all"
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="nobody serves over stdio from here")
@pytest.mark.parametrize("server", [server.name for server in servers.over_mcp()])
async def test_a_list_over_stdio_waits_for_no_import_that_it_does_not_need(
    server: str, databases: Databases, tmp_path: Path
) -> None:
    urls = await databases.fresh()
    env = {"PATH": os.environ["PATH"], "SUITE_DATA_DIR": str(tmp_path), "SUITE_DATABASE_URL": urls.app}
    found = await imported(server, env, tmp_path / "imports.txt")
    others = {f"servers.{name}" for name in servers.names() if name != server}
    assert (SPARED | ALSO.get(server, set()) | others) & found == set()
