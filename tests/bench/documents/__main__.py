"""How fast the documents server is at the size of a real corpus, and what it holds in memory meanwhile.

python -m tests.bench.documents [--quick] [--write] [--rounds N] [--only KEY…]
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer
import uvloop

from shared.state.database import connect
from tests.bench import machine
from tests.bench.documents import ingesting, peers, streaming
from tests.bench.documents.asks import WRITTEN
from tests.bench.documents.cases import LITTLE, WRITER, Library, cases
from tests.bench.documents.ingesting import INGESTED
from tests.bench.documents.library import library
from tests.bench.documents.page import PAGE, Results, page, tables
from tests.bench.documents.streaming import STREAMED
from tests.bench.rounds import Pace, interleave
from tests.bench.stores import KEPT, Stores, open_stores
from tests.bench.targets import Makers


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        documents: In the library.
        files: That are ingested.
        pdf_mb: Of a document that is streamed; 0 for none.
        text_mb: Of another.
        kept: Where the library is kept; None for nowhere.
    """

    pace: Pace
    documents: int
    files: int
    pdf_mb: int
    text_mb: int
    kept: Path | None


WHOLE = Plan(Pace(3, 2.0, 0.5), 100_000, 2_000, 20, 5, KEPT)
QUICK = Plan(Pace(1, 0.1, 0.0), 60, 12, 0, 0, None)
_QUICK_CASES = ("search_common_all", "search_question_all")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.documents")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, and nothing else")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}, too")
    parser.add_argument("--rounds", type=int, help="windows a case")
    parser.add_argument("--only", nargs="+", default=[], metavar="KEY", help="these cases alone")
    given = parser.parse_args(arguments)
    plan = QUICK if given.quick else WHOLE
    if given.rounds:
        plan = replace(plan, pace=replace(plan.pace, rounds=given.rounds))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(measure(plan, given.only or (_QUICK_CASES if given.quick else ()), whole=not given.only))
    typer.echo("\n\n".join(["", *tables(results)]))
    if given.write:
        PAGE.write_text(page(results))


async def measure(plan: Plan, only: Sequence[str], *, whole: bool) -> Results:
    """All of it, once.

    Args:
        plan: How much.
        only: Keys of the cases to run; empty for all.
        whole: Also what is no case: the ingest, the memory, and the same searches asked in other ways.
    """
    cores = machine.cores()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home = plan.kept or folder / "kept"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        stores = await stack.enter_async_context(open_stores(home))
        typer.echo(f"filling what is not kept from an earlier run: {plan.documents:,} documents")
        made = Library(*await library(stores, plan.documents))
        admin = await stack.enter_async_context(_as_found(stores, made))
        makers, busy = Makers(folder), machine.Busy()
        chosen = [case for case in cases(makers, made) if not only or case.key in only]
        with machine.bound((os.getpid(), stores.postmaster), cores.others, cores.every):
            figures = await interleave(chosen, plan.pace, cores, typer.echo)
            results = Results(machine.told(), cores.told, stores.engines, plan.pace, made.facts, figures)
            if whole:
                typer.echo("the same searches in other ways, and memory")
                results.peers = await peers.measure(made.urls, admin, folder)
                results.streamed = await _streamed(makers, made, plan, cores)
        if whole:
            typer.echo("the ingest, which has the whole machine")
            ingester = makers.served("ingester", made.urls, WRITER, "documents")
            results.ingested = await ingesting.measure(ingester, folder, plan.files)
        results.busy = busy.told()
        return results


async def _streamed(makers: Makers, made: Library, plan: Plan, cores: machine.Cores) -> Sequence[streaming.Streamed]:
    if not plan.pdf_mb:
        return ()
    target = makers.served("streamer", made.urls, LITTLE, "documents")
    return await streaming.measure(made.urls, target, cores, plan.pdf_mb, plan.text_mb, plan.pace.seconds)


@asynccontextmanager
async def _as_found(stores: Stores, made: Library) -> AsyncGenerator[Any]:
    """A superuser's connection; what the run adds to the library is gone when the context ends."""
    admin = await connect(stores.as_admin(made.urls), "bench")
    try:
        await _forget(admin)  # an earlier run may have been killed
        yield admin
    finally:
        await _forget(admin)
        await admin.close()


async def _forget(admin: Any) -> None:
    added = [WRITTEN, INGESTED, STREAMED]
    done = await admin.execute("DELETE FROM documents.documents WHERE collection = ANY ($1)", added)
    if done != "DELETE 0":
        await admin.execute("VACUUM (ANALYZE) documents.documents, documents.versions, documents.sections")
    await admin.execute("TRUNCATE suite.audit, suite.audit_chain, suite.ledger, suite.announcements")


if __name__ == "__main__":
    main()
