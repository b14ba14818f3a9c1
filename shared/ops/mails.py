"""`mcp-suite mail`: what waits for the relay, what will not go by itself, and another chance for it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

import orjson
import typer
from starlette.routing import BaseRoute

from servers.mail.delivering.recording import spelled
from servers.mail.delivering.requeueing import dead_letters, requeue, waiting
from shared.core.errors import NotFound
from shared.core.settings import Settings
from shared.core.smtp_settings import Smtp
from shared.ops.operator import operator
from shared.ops.running import complete, read_settings
from shared.state.database import Transaction, open_database
from shared.state.keys import load_keys
from shared.state.services import open_services
from shared.steps.audit.digests import digests_of

app = typer.Typer(no_args_is_help=True, help="See mails that wait, or that will not go, and send those again.")

Tenant = Annotated[str | None, typer.Option(help="Whose mails; default: of the caller over stdio.")]


@app.command("queue")
def mail_queue(tenant: Tenant = None) -> None:
    """Print how many mails wait, by state, as JSON lines."""

    async def run(transaction: Transaction) -> None:
        for row in await waiting(transaction):
            typer.echo(orjson.dumps(dict(row)).decode())

    _with_tenant(tenant, run)


@app.command("dead")
def mail_dead(
    tenant: Tenant = None, limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100
) -> None:
    """Print mails that were refused, given up or held as JSON lines, the latest first."""

    async def run(transaction: Transaction) -> None:
        for row in await dead_letters(transaction, limit):
            typer.echo(orjson.dumps(dict(row)).decode())

    _with_tenant(tenant, run)


@app.command("requeue")
def mail_requeue(mail_id: Annotated[str, typer.Argument(help="As `dead` names it.")], tenant: Tenant = None) -> None:
    """Send one again, to those who did not get it; the workers do it, and put on record that you asked."""

    async def run(transaction: Transaction) -> None:
        if not await requeue(transaction, mail_id, operator()):
            raise NotFound(f"There is no dead letter {mail_id}; `mcp-suite mail dead` lists them")
        typer.echo(f"{mail_id} goes again.")

    _with_tenant(tenant, run)


@app.command("digest")
def mail_digest(address: Annotated[str, typer.Argument(help="A recipient's.")], tenant: Tenant = None) -> None:
    """Print what the audit has in place of an address, under each of its keys, to look for it among records."""
    settings = read_settings()
    for digest in digests_of(load_keys(settings).audit, tenant or settings.stdio_tenant, spelled(address)):
        typer.echo(digest)


def _with_tenant(tenant: str | None, work: Callable[[Transaction], Awaitable[None]]) -> None:
    settings = read_settings()

    async def run() -> None:
        async with AsyncExitStack() as stack:
            urls = await stack.enter_async_context(open_services(settings))
            lean = settings.model_copy(update={"pool_min": 1, "pool_max": 1})
            database = await stack.enter_async_context(open_database(urls.app, lean))
            async with database.transaction(tenant or settings.stdio_tenant) as transaction:
                await work(transaction)

    complete(run)


@asynccontextmanager
async def own_relay(settings: Settings) -> AsyncGenerator[tuple[Settings, list[BaseRoute]]]:
    """The settings with a relay: where none is set on a laptop, one of our own that delivers nothing, and its pages."""
    if settings.smtp.host is not None or settings.profile != "laptop" or settings.environment != "dev":
        yield settings, []
        return
    from compose.smtp.page import routes  # noqa: PLC0415 - aiosmtpd is installed where services are embedded alone
    from compose.smtp.sink import open_sink  # noqa: PLC0415 - the same

    async with open_sink() as sink:
        smtp = Smtp(host=sink.host, port=sink.port, security="none")
        yield settings.model_copy(update={"smtp": smtp}), [*routes(sink)]
