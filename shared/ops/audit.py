"""`mcp-suite audit`: verify and search the chain."""

import base64
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import orjson
import typer

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.audit_prune import prune
from shared.ops.running import complete, read_settings
from shared.state.database import connect
from shared.state.keys import load_keys
from shared.state.services import open_services
from shared.steps.audit.checkpoints import anchored
from shared.steps.audit.exploring import Wanted, page
from shared.steps.audit.pruned import reaches_before
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import verify

app = typer.Typer(no_args_is_help=True, help="Verify, search and prune the audit chain.")
app.command("prune")(prune)


@app.command("verify")
def audit_verify(
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of checkpoints, or a log with them; default: this machine's own."),
    ] = None,
) -> None:
    """Recompute the whole chain, and see that it goes as far as its checkpoints say; exit code 1 and one line for each
    thing that does not fit.
    """

    async def run(settings: Settings, connection: Any) -> None:
        report = await verify(connection, load_keys(settings).audit, anchored(settings, checkpoints or ()))
        for problem in report.problems:
            typer.echo(f"{problem.where}: {problem.what}")
        state = f"{len(report.problems)} problems" if report.problems else "intact"
        typer.echo(f"{report.checkpoints} checkpoints of how far chains go")
        if report.statements:
            typer.echo(f"{report.pruned} records of {report.statements} chains were pruned, as signed statements say")
        typer.echo(f"{report.records} records in {report.chains} chains: {state}")
        if report.problems:
            raise typer.Exit(1)

    _with_reader(run)


@app.command("keys")
def audit_keys() -> None:
    """Print the public keys that checkpoints are verified with, by key id: raw Ed25519 in base64."""
    for name, public in load_keys(read_settings()).audit.public_keys().items():
        typer.echo(f"{name} {base64.b64encode(public).decode()}")


@app.command("query")
def audit_query(
    tenant: Annotated[str | None, typer.Option(help="Whose data.")] = None,
    subject: Annotated[str | None, typer.Option(help="Who.")] = None,
    target: Annotated[str | None, typer.Option(help="Tool name or resource URI.")] = None,
    outcome: Annotated[str | None, typer.Option(help="`ok`, or the code of a failure.")] = None,
    request_id: Annotated[str | None, typer.Option(help="The reference an error message gave.")] = None,
    names: Annotated[str | None, typer.Option(help="An id that records of the tenant name, like C-000042.")] = None,
    since: Annotated[datetime | None, typer.Option(help="UTC.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
) -> None:
    """Print records as JSON lines, the newest first."""
    wanted = Filter(tenant, subject, target, outcome, since, request_id, limit)
    if names is not None and tenant is None:
        raise Misconfigured("--names needs --tenant: the same id may be of another's record there")

    async def run(_settings: Settings, connection: Any) -> None:
        if names is not None and tenant is not None:
            async with connection.transaction(readonly=True):
                found = await page(connection, tenant, _naming(wanted, names), limit=limit)
            records = [each.record for each in found]
        else:
            records = await query(connection, wanted)
        for record in records:
            typer.echo(orjson.dumps(record).decode())
        if not records:
            typer.echo("no record is like that", err=True)
        if until := await reaches_before(connection, wanted.since):
            typer.echo(f"Records up to {until:%Y-%m-%dT%H:%MZ} were pruned: of that time not all is here.", err=True)

    _with_reader(run)


def _naming(wanted: Filter, named: str) -> Wanted:
    since = wanted.since.replace(tzinfo=UTC) if wanted.since else None
    return Wanted(
        person=wanted.subject,
        naming=named,
        target=wanted.target,
        outcome=wanted.outcome,
        request_id=wanted.request_id,
        since=since,
        intents=True,
    )


def _with_reader(work: Callable[[Settings, Any], Coroutine[Any, Any, None]]) -> None:
    settings = read_settings()

    async def run() -> None:
        async with open_services(settings) as urls:
            if not urls.reader:
                raise Misconfigured("SUITE_DATABASE_READER_URL is needed: the audit is read by a role of its own")
            connection = await connect(urls.reader, "reader")
            try:
                await work(settings, connection)
            except asyncpg.UndefinedTableError:
                raise Misconfigured("there is no audit yet: run `make up`, or `mcp-suite db migrate`, first") from None
            finally:
                await connection.close()

    complete(run)
