"""`make bench`: how fast the suite is, beside others, in one interleaved run.

python -m tests.bench [--quick] [--write] [--rounds N] [--only KEY…]
python -m tests.bench --only documents […]    the documents server at size (tests/bench/documents), a run of its own
python -m tests.bench --only audit            the audit alone, and what each of its indexes costs
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import typer
import uvloop

from servers.customers import demo
from tests.bench import cases, indexes, machine, seeded, sharing, startup, trail
from tests.bench.cases import Databases
from tests.bench.collector import collecting
from tests.bench.documents import __main__ as documents
from tests.bench.page import Results, audit, tables
from tests.bench.profile import profile
from tests.bench.prose import PAGE, page
from tests.bench.rounds import Case, Pace, interleave
from tests.bench.stores import KEPT, Stores, open_stores
from tests.bench.targets import Makers, fastmcp_version


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        customers: In the searched table.
        records: In the audit that is verified.
        kept: Where what took long to fill is kept; None for nowhere.
    """

    pace: Pace
    customers: int
    small: int
    records: int
    writes: int
    starts: int
    kept: Path | None


WHOLE = Plan(Pace(5, 1.5, 0.5), 1_000_000, 10_000, 1_000_000, 64_000, 5, KEPT)
QUICK = Plan(Pace(1, 0.4, 0.1), 400, 400, 2_000, 640, 0, None)
_DOCUMENTS = "documents"
_AUDIT = "audit"
_INDEXED = {WHOLE: (60_000, 15), QUICK: (1_000, 2)}
"""Records that each table of the audit holds before, and rounds."""
_QUICK_CASES = ("mcpserver", "get", "get_fleet", "with_edge", "written", "session")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, and nothing else")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}, too")
    parser.add_argument("--rounds", type=int, help="windows a case")
    parser.add_argument("--only", nargs="+", default=[], metavar="KEY", help="these cases alone")
    given = parser.parse_args()
    if given.only == [_DOCUMENTS]:
        documents.main([argument for argument in sys.argv[1:] if argument not in {"--only", _DOCUMENTS}])
        return
    plan = QUICK if given.quick else WHOLE
    if given.only == [_AUDIT]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            typer.echo("\n\n".join(runner.run(_audit(plan))))
        return
    if given.rounds:
        plan = replace(plan, pace=replace(plan.pace, rounds=given.rounds))
    only = given.only or (_QUICK_CASES if given.quick else ())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(measure(plan, only))
    typer.echo(f"\n{results.machine}; {results.cores}\n{results.engines}; {results.peers}\n")
    typer.echo("\n\n".join(tables(results)))
    if given.write:
        PAGE.write_text(page(results))


async def measure(plan: Plan, only: Sequence[str]) -> Results:
    """All of it, once.

    Args:
        plan: How much.
        only: Keys of the cases to run, and nothing besides them; empty for everything.
    """
    cores = machine.cores()
    machine.bind(0, cores.others)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home = plan.kept or folder / "kept"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        stores = await stack.enter_async_context(open_stores(home))
        sizes = replace(plan, customers=plan.customers if _is_big(only) else plan.small)
        databases = await _databases(stores, sizes, await stack.enter_async_context(collecting()))
        makers = Makers(folder)
        chosen = list(_cases(makers, databases, only))
        figures = await interleave(chosen, plan.pace, cores, typer.echo)
        whole = not only or only is _QUICK_CASES
        return Results(
            machine=machine.told(),
            cores=cores.told,
            engines=stores.engines,
            peers=f"mcp {version('mcp')}, FastMCP {fastmcp_version()}, uvicorn {version('uvicorn')}",
            pace=plan.pace,
            figures=figures,
            facts=databases.facts,
            trail=await _trail(stores, plan, cores) if whole else None,
            startup=await startup.measure(databases.small, _made(folder / "stdio"), plan.starts, cores)
            if whole and plan.starts
            else None,
            profile=await profile(makers, databases, cores) if not only else [],
        )


async def _databases(stores: Stores, plan: Plan, collector: str) -> Databases:
    typer.echo(f"filling what is not kept from an earlier run: {plan.customers:,} customers, {plan.records:,} records")
    big, facts = await seeded.customers(stores, plan.customers)
    await stores.empty_audit(big)
    small = await stores.fresh("bench_small")
    await demo.seed(small.owner, customers=plan.small, orders=0)
    return Databases(big, facts, small, plan.small, stores.redis_url, collector, stores.postmaster)


def _is_big(only: Sequence[str]) -> bool:
    """Whether a case that is wanted asks the large table."""
    return not only or any(key.startswith(("get", "search_")) for key in only)


def _cases(makers: Makers, databases: Databases, only: Sequence[str]) -> Iterator[Case]:
    """Those wanted; FastMCP's environment is made only where its case is."""
    made = [cases.sdk(makers), cases.ours(makers, databases), cases.searches(makers, databases)]
    made += [cases.ladder(makers, databases), cases.writes(makers, databases), sharing.cases(makers, databases)]
    if not only or "fastmcp" in only:
        made.insert(1, cases.fastmcp(makers))
    return (case for case in chain.from_iterable(made) if not only or case.key in only)


async def _trail(stores: Stores, plan: Plan, cores: machine.Cores) -> trail.Trail:
    machine.bind(0, cores.server)
    try:
        return await trail.measure(stores, plan.records, plan.writes)
    finally:
        machine.bind(0, cores.others)


async def _audit(plan: Plan) -> list[str]:
    """The audit by itself: the engines beside it on the same cores, as in a whole run."""
    cores = machine.cores()
    machine.bind(0, cores.others)
    with tempfile.TemporaryDirectory() as folder:
        home = plan.kept or Path(folder) / "kept"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with open_stores(home) as stores:
            costs = await indexes.measure(stores, *_INDEXED[plan])
            return [*audit(await _trail(stores, plan, cores), costs)]


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


if __name__ == "__main__":
    main()
