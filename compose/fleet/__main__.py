"""`python -m compose.fleet`: the suite as a fleet runs it, on this machine, until Ctrl-C."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.console import Console
from rich.text import Text

import servers
from compose.fleet.fleet import Fleet, open_fleet
from compose.fleet.plan import Plan
from compose.fleet.program import find_program
from compose.fleet.show import kept_environment, welcome
from compose.idp.personas import PERSONAS
from shared.core.errors import Misconfigured, SuiteError
from shared.core.settings import Settings
from shared.state.embedded import open_embedded_postgres
from shared.state.embedded_redis import embedded_redis
from shared.state.roles import embedded_urls
from shared.state.services import migrate

_LOOK_S = 0.5

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Port = Annotated[int, typer.Option(min=1, max=65535, help="Of the load balancer.")]
Folder = Annotated[Path | None, typer.Option(help="Data, keys and logs; default SUITE_DATA_DIR/fleet.")]
Names = Annotated[
    list[str] | None,
    typer.Option("--server", help="A folder under servers/, or a package elsewhere; default all servers."),
]


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    server: Names = None,
    replicas: Annotated[int, typer.Option(min=1, max=20, help="Of each server.")] = 3,
    port: Port = 8443,
    folder: Folder = None,
) -> None:
    """Run the suite as a fleet does: a load balancer, replicas, PostgreSQL, Redis and an identity provider."""
    if context.invoked_subcommand is None:
        plan = _plan(server, port, folder, replicas)
        with suppress(KeyboardInterrupt):
            asyncio.run(_run(plan))


@app.command()
def token(
    persona: Annotated[str, typer.Argument(help="Who to be.")],
    server: Annotated[str, typer.Option(help="The server the token is for.")] = "customers",
    port: Port = 8443,
    folder: Folder = None,
) -> None:
    """Print a ten-minute access token for a server of the fleet."""
    if persona not in PERSONAS:
        raise Misconfigured(f"there is no persona {persona!r}; there are: {', '.join(PERSONAS)}")
    plan = _plan([server], port, folder)
    typer.echo(plan.provider().mint(persona, plan.url(plan.programs[0].server.name)))


def _plan(names: list[str] | None, port: int, folder: Path | None, replicas: int = 1) -> Plan:
    home = folder or Settings().data_dir / "fleet"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Plan([find_program(name) for name in names or servers.names()], home.resolve(), replicas, port)


async def _run(plan: Plan) -> None:
    console = Console()
    console.print("Starting PostgreSQL, Redis, the identity provider, the replicas and the balancer …", style="dim")
    home = plan.folder / "postgres"
    async with open_embedded_postgres(home, source=Settings().embedded_source) as postgres:
        urls = await embedded_urls(postgres, home)
        every = [program.server for program in plan.programs]
        await migrate(urls.owner, {server.name: server.migrations for server in every if server.migrations})
        await servers.seed(urls.owner, {server.name for server in every})
        with embedded_redis(plan.folder / "redis", source=Settings().embedded_source) as redis:
            async with open_fleet(plan, urls, redis.url) as fleet:
                kept = kept_environment(plan, urls, redis.url)
                welcome(console, fleet, postgres.engine, redis.engine, kept)
                await _until_signal(fleet, console)
                console.print("Ending everything …", style="dim")


async def _until_signal(fleet: Fleet, console: Console) -> None:
    """Until Ctrl-C or SIGTERM; a process that ended meanwhile is started again, as an orchestrator would."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_keep_running, fleet, console)
            await anext(signals)
            tasks.cancel_scope.cancel()


async def _keep_running(fleet: Fleet, console: Console) -> None:
    while True:
        await anyio.sleep(_LOOK_S)
        for process in fleet.processes:
            if not process.runs:
                console.print(f"{process.name} has ended and is started again; its log: {process.log}", style="yellow")
                process.start()


def main() -> None:
    try:
        app()
    except SuiteError as error:
        Console(stderr=True).print(Text(str(error), style="red"), soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
