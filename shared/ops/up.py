"""`mcp-suite up`: the whole suite in one process."""

from typing import Any

from rich.console import Console

import servers
from shared.ops import mails, serving, show
from shared.ops.opening import Opened, migrate_all
from shared.ops.running import complete, read_settings
from shared.state.services import open_services


def up() -> None:
    """Run the whole suite on this machine, with demo data, and show every call as it happens."""
    settings = read_settings(calls=False)  # each is shown to people below
    console = Console()
    if settings.database_url is None and not (settings.data_dir / "postgres" / "cluster").exists():
        console.print("Making the database and the demo data, once: half a minute …", style="dim")

    async def run() -> None:
        served = servers.every()
        where = serving.addresses(settings, served, alone=False)

        def ready(opened: Opened) -> None:
            show.welcome(console, settings, where)
            opened.parts.writer.listen(lambda record: _print_call(console, record))

        async with open_services(settings) as urls, mails.own_relay(settings) as (told, beside):
            await migrate_all(urls)
            await servers.seed(urls.owner)
            await serving.serve_http(told, served, alone=False, ready=ready, beside=beside)

    complete(run)


def _print_call(console: Console, record: Any) -> None:
    line = show.call_line(record)
    if line is not None:
        console.print(line, soft_wrap=True)
