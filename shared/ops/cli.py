"""`mcp-suite`: run the suite, connect clients to it, and look after its data."""

import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

import servers
from compose.idp.acting import acting
from servers.customers import demo
from shared.core.errors import Misconfigured, SuiteError
from shared.core.settings import Settings
from shared.ops import doctor_command, documents, mails, policy, serving, sessions, show, switches
from shared.ops.connect import Client, entries, environment_of, inspector_command, merge, path_of
from shared.ops.running import complete, read_settings
from shared.state.database import connect as connect_database
from shared.state.keys import load_keys
from shared.state.services import open_services
from shared.steps.audit.exploring import Wanted, page
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import verify

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
audit = typer.Typer(no_args_is_help=True, help="Verify and search the audit chain.")
db = typer.Typer(no_args_is_help=True, help="Look after the database.")
app.add_typer(audit, name="audit")
app.add_typer(db, name="db")
app.add_typer(doctor_command.app, name="doctor")
app.add_typer(documents.app, name="documents")
app.add_typer(mails.app, name="mail")
app.add_typer(policy.app, name="policy")
app.add_typer(sessions.app, name="sessions")
app.add_typer(switches.app, name="stop")
app.command()(switches.stops)
app.command()(switches.resume)

ServerName = Annotated[str, typer.Argument(help="One of the folders under servers/.")]


def main() -> None:
    """The entry point: failures we foresaw are one sentence on stderr and exit code 1."""
    try:
        app()
    except (SuiteError, ValidationError) as error:
        _complain(error)
    except ExceptionGroup as group:
        error = _alone(group)
        if not isinstance(error, SuiteError | ValidationError):
            raise
        _complain(error)


def _complain(error: SuiteError | ValidationError) -> NoReturn:
    Console(stderr=True).print(Text(_sentence(error), style="red"), soft_wrap=True)
    sys.exit(1)


def _alone(error: Exception) -> Exception:
    """What failed, without the groups that the tasks around it put it in."""
    inner: tuple[Exception, ...] = getattr(error, "exceptions", ())
    return _alone(inner[0]) if len(inner) == 1 else error


@app.command()
def up() -> None:
    """Run the whole suite on this machine, with demo data, and show every call as it happens."""
    settings = read_settings(calls=False)  # each is shown to people below
    console = Console()

    async def run() -> None:
        served = servers.every()
        where = serving.addresses(settings, served, alone=False)

        def ready(opened: serving.Opened) -> None:
            show.welcome(console, settings, where)
            opened.parts.writer.listen(lambda record: _print_call(console, record))

        async with open_services(settings) as urls, mails.own_relay(settings) as (told, beside):
            await serving.migrate_all(urls)
            await servers.seed(urls.owner)
            await serving.serve_http(told, served, alone=False, ready=ready, beside=beside)

    complete(run)


@app.command()
def serve(
    server: ServerName,
    stdio: Annotated[bool, typer.Option("--stdio", help="Over stdin and stdout, for one local user.")] = False,
) -> None:
    """Serve one server: over HTTP at /mcp, or over stdio."""
    settings = read_settings()
    if stdio:
        complete(lambda: serving.serve_stdio(settings, server))
    else:
        complete(lambda: serving.serve_http(settings, [servers.load(server)], alone=True))


@app.command()
def connect(
    client: Annotated[Client, typer.Argument(help="The client to configure.")],
    write: Annotated[bool, typer.Option("--write", help="Merge into the client's own file.")] = False,
) -> None:
    """Print a client's configuration for every server, or merge it into the client's file."""
    settings = read_settings()
    where = serving.addresses(settings, servers.over_mcp(), alone=False)
    resources = {name: address.resource for name, address in where.items()}
    wanted = entries(client, resources, environment_of(settings))
    if write:
        path = path_of(client, Path.home())
        merge(path, wanted)
        typer.echo(f"{', '.join(wanted['mcpServers'])} added to {path}. Restart {client} to see them.")
    elif client is Client.INSPECTOR:
        typer.echo("\n".join(inspector_command(name, url) for name, url in resources.items()))
    else:
        typer.echo(orjson.dumps(wanted, option=orjson.OPT_INDENT_2).decode())


@app.command()
def token(
    persona: Annotated[str, typer.Argument(help="Who to be: a persona, as `mcp-suite up` lists them, or a machine.")],
    server: Annotated[str, typer.Option(help="The server the token is for.")] = "customers",
    alone: Annotated[bool, typer.Option("--alone", help="For `serve`, which answers at /mcp.")] = False,
    acr: Annotated[str | None, typer.Option(help="How strongly they signed in: aal1 or aal2.")] = None,
    act: Annotated[
        str | None, typer.Option(help="The machine that acts for them; for a machine, the persona who vouches for it.")
    ] = None,
) -> None:
    """Print a ten-minute access token of the mock identity provider."""
    settings = read_settings()
    claims: dict[str, Any] = acting(persona, act) | ({"acr": acr} if acr else {})
    served = [servers.load(server)]
    where = serving.addresses(settings, served, alone=alone)
    provider = serving.identity_provider(settings, served, where)
    if provider is None:
        raise Misconfigured("SUITE_ISSUER names a real provider: get your token there")
    typer.echo(provider.mint(persona, where[server].resource, **claims))


@audit.command("verify")
def audit_verify() -> None:
    """Recompute the whole chain; exit code 1 and one line for each thing that does not fit."""

    async def run(settings: Settings, connection: Any) -> None:
        report = await verify(connection, load_keys(settings).audit)
        for problem in report.problems:
            typer.echo(f"{problem.where}: {problem.what}")
        state = f"{len(report.problems)} problems" if report.problems else "intact"
        typer.echo(f"{report.records} records in {report.chains} chains: {state}")
        if report.problems:
            raise typer.Exit(1)

    _with_reader(run)


@audit.command("query")
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


@db.command("migrate")
def db_migrate() -> None:
    """Bring every schema to its newest revision."""
    settings = read_settings()

    async def run() -> None:
        async with open_services(settings) as urls:
            await serving.migrate_all(urls)
        typer.echo("Every schema is at its newest revision.")

    complete(run)


@db.command("seed")
def db_seed(
    customers: Annotated[int, typer.Option(min=2, max=2_000_000)] = 10_000,
    orders: Annotated[int, typer.Option(min=0, max=10_000_000)] = 60_000,
) -> None:
    """Fill the servers with deterministic demo data, unless they have some."""
    settings = read_settings()

    async def run() -> None:
        async with open_services(settings) as urls:
            await serving.migrate_all(urls)
            await demo.seed(urls.owner, customers, orders)
            await servers.seed(urls.owner)
        typer.echo("The demo data is there.")

    complete(run)


def _with_reader(work: Callable[[Settings, Any], Coroutine[Any, Any, None]]) -> None:
    settings = read_settings()

    async def run() -> None:
        async with open_services(settings) as urls:
            if not urls.reader:
                raise Misconfigured("SUITE_DATABASE_READER_URL is needed: the audit is read by a role of its own")
            connection = await connect_database(urls.reader, "reader")
            try:
                await work(settings, connection)
            finally:
                await connection.close()

    complete(run)


def _print_call(console: Console, record: Any) -> None:
    line = show.call_line(record)
    if line is not None:
        console.print(line, soft_wrap=True)


def _sentence(error: SuiteError | ValidationError) -> str:
    if isinstance(error, ValidationError):
        found = [(f"SUITE_{'__'.join(map(str, problem['loc'])).upper()}", problem["msg"]) for problem in error.errors()]
        return "; ".join(f"{name}: {message}" for name, message in found)
    return str(error)
