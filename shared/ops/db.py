"""`mcp-suite db`: the schemas, and demo data."""

from typing import Annotated

import typer

import servers
from servers.customers import demo
from shared.ops.backup.command import backup, restore
from shared.ops.opening import migrate_all
from shared.ops.running import complete, read_settings
from shared.state.services import open_services

app = typer.Typer(no_args_is_help=True, help="Look after the database.")
app.command()(backup)
app.command()(restore)


@app.command("migrate")
def migrate() -> None:
    """Bring every schema to its newest revision."""
    settings = read_settings()

    async def run() -> None:
        async with open_services(settings) as urls:
            await migrate_all(urls)
        typer.echo("Every schema is at its newest revision.")

    complete(run)


@app.command("seed")
def seed(
    customers: Annotated[int, typer.Option(min=2, max=2_000_000)] = 10_000,
    orders: Annotated[int, typer.Option(min=0, max=10_000_000)] = 60_000,
) -> None:
    """Fill the servers with deterministic demo data, unless they have some."""
    settings = read_settings()

    async def run() -> None:
        async with open_services(settings) as urls:
            await migrate_all(urls)
            await demo.seed(urls.owner, customers, orders)
            await servers.seed(urls.owner)
        typer.echo("The demo data is there.")

    complete(run)
