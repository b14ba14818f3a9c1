"""What a bundle of one server starts (docs/bundles.md): the host hands its settings over as variables."""

import os
from asyncio import run

import servers
from shared.core.settings import Settings
from shared.ops.running import read_settings
from shared.ops.serve import over_stdio
from shared.state.services import migrate, open_services

DEMO = "MCP_SUITE_DEMO"


def main(server: str) -> None:
    """Serve over stdio until stdin ends, with demo data if the user wants them."""
    forget_what_was_left_open()
    if os.environ.get(DEMO) == "true":
        settings = read_settings()
        if settings.database_url is None:
            run(_fill(settings, server))
    over_stdio(server)


def forget_what_was_left_open() -> None:
    """A host hands over an empty text, or the placeholder itself, for what its user left open: neither is a setting."""
    for name in [name for name in os.environ if name.startswith("SUITE_")]:
        if os.environ[name] == "" or os.environ[name].startswith("${"):
            del os.environ[name]


async def _fill(settings: Settings, server: str) -> None:
    async with open_services(settings) as urls:
        await migrate(urls.owner, servers.revisions())
        await servers.seed(urls.owner, {server})
