"""`mcp-suite documents`: make a collection what a folder is."""

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import uuid4

import orjson
import typer

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.ingest_progress import showing, summary
from shared.ops.opening import migrate_all
from shared.ops.operator import operator
from shared.ops.running import complete, read_settings
from shared.ops.stop_words import one_line
from shared.state.alone import alone
from shared.state.database import open_database
from shared.state.keys import load_keys
from shared.state.lending import session_url
from shared.state.services import open_services
from shared.steps.audit.entry import outcome_of
from shared.steps.audit.recovery import recover
from shared.steps.audit.writer import open_writer
from shared.steps.operating import Operation

if TYPE_CHECKING:  # parsers take 0.1 s to import, which every other command would wait
    from servers.documents.ingesting.ordering import Order
    from servers.documents.ingesting.reporting import Report

app = typer.Typer(no_args_is_help=True, help="Fill collections of documents.")

_INTERRUPTED = 130  # as shells have it: 128 and SIGINT

Classified = Literal["public", "internal", "confidential", "restricted"]


@app.callback()
def documents() -> None:
    """Fill collections of documents."""


@app.command()
def ingest(
    folder: Annotated[Path, typer.Argument(help="The folder; nothing outside of it is read.", metavar="DIR")],
    collection: Annotated[str, typer.Option(help="Its documents become doc://COLLECTION/path.")],
    tenant: Annotated[str | None, typer.Option(help="Whose it is; on a laptop acme.")] = None,
    classification: Annotated[Classified, typer.Option(help="Of each; a file may ask for more.")] = "internal",
    reader: Annotated[list[str] | None, typer.Option(help="role:NAME, user:SUBJECT or tenant; several.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Given to each; several.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Archive documents whose file is gone.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what people changed or archived through the server.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Archive even most of the collection.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 if a file was skipped.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that parse.")] = os.cpu_count() or 1,
    most: Annotated[int, typer.Option(min=1, help="Files and folders to look at, at most.")] = 500_000,
    report: Annotated[Path | None, typer.Option(help="Write a JSON report to this file.", metavar="FILE")] = None,
) -> None:
    """Make a collection what a folder is: new files are added, changed ones become new versions, the rest is left."""
    from servers.documents.ingesting.ordering import Order  # noqa: PLC0415 - as above
    from servers.documents.ingesting.reporting import Report  # noqa: PLC0415 - see above
    from servers.documents.ingesting.wishes import Wishes  # noqa: PLC0415 - as above
    from servers.documents.rights import Classification  # noqa: PLC0415 - as above

    if report is not None and not report.absolute().parent.is_dir():
        raise Misconfigured(f"--report {report}: there is no such folder")
    settings = read_settings()
    wishes = Wishes.of(Classification(classification), reader or (), label or (), settings.token_issuer)
    order = Order(
        folder, collection, _tenant(settings, tenant), operator(), wishes,
        prune=prune, overwrite=overwrite, dry_run=dry_run, agreed=yes, workers=workers, most=most,
    )  # fmt: skip
    made = Report(str(uuid4()), order.collection, order.tenant, dry_run)
    try:
        complete(lambda: run(settings, order, made))
    except BaseException as error:
        made.outcome = made.outcome or outcome_of(error)
        raise
    finally:
        if report is not None:
            report.write_bytes(orjson.dumps(made.as_object(), option=orjson.OPT_INDENT_2))
    for line in summary(made, pruned=prune):
        typer.echo(line)
    if made.outcome != "ok":
        typer.echo("Interrupted. Run it again, and it goes on.", err=True)
        raise typer.Exit(_INTERRUPTED)
    if strict and made.skipped:
        raise typer.Exit(1)


def _tenant(settings: Settings, named: str | None) -> str:
    if named is None and settings.profile == "fleet":
        raise Misconfigured("--tenant is needed: whose documents are they?")
    return one_line(named or settings.stdio_tenant, "--tenant")


async def run(settings: Settings, order: "Order", report: "Report") -> None:
    """Ingest; `report` tells what was done, whatever ends the run.

    Raises:
        SuiteError: It could not be done, or not to its end.
    """
    from servers.documents.ingesting.running import ingest  # noqa: PLC0415 - see above

    async with _operation(settings, order, report.run) as operation, operation.going() as facts:
        try:
            with showing(report, lambda line: typer.echo(line, err=True)) as progress:
                await ingest(order, operation, report, progress)
            report.outcome = "ok"
        except BaseException as error:  # Ctrl-C too: the report is written, whatever ended the run
            report.outcome = outcome_of(error)
            raise
        finally:
            facts["counts"] = report.counts


@asynccontextmanager
async def _operation(settings: Settings, order: "Order", run: str) -> AsyncGenerator[Operation]:
    """The run, alone of its kind, over the tables as serving processes see them."""
    if settings.read_only:
        raise Misconfigured("SUITE_READ_ONLY is set: nothing can be changed")
    keys = load_keys(settings)
    lean = settings.model_copy(update={"pool_min": 1})
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(open_services(settings))
        if settings.profile == "laptop" and urls.owner:
            await migrate_all(urls)
        database = await stack.enter_async_context(open_database(urls.app, lean))
        await database.require_tables()
        own_url = session_url(settings, urls.app)
        if not order.dry_run:
            await stack.enter_async_context(alone(own_url, "ingest", order.tenant, order.collection))
        writer = await stack.enter_async_context(open_writer(own_url, keys.audit, settings))
        await recover(database, writer, settings)
        yield Operation(
            writer, database, keys, settings, "documents", order.by, order.tenant, f"doc://{order.collection}",
            "documents ingest", _options(order), run,
        )  # fmt: skip


def _options(order: "Order") -> dict[str, Any]:
    """For the audit."""
    wished = asdict(order.wishes)
    flags = {name: getattr(order, name) for name in ("prune", "overwrite", "dry_run", "agreed")}
    return {
        "folder": str(order.root.absolute()),
        **{name: wished[name] for name in ("classification", "readers", "labels")},
        **flags,
    }
