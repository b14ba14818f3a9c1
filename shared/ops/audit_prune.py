"""`mcp-suite audit prune`: removes old records from the beginning of chains, so that what is left still verifies."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import typer

from shared.core.errors import Misconfigured
from shared.core.key_settings import AUDIT_KEPT_LEAST_DAYS
from shared.core.settings import Settings
from shared.ops.operator import operator
from shared.ops.running import complete, read_settings
from shared.state.database import connect
from shared.state.keys import KeyRing, load_keys
from shared.state.lending import session_url
from shared.state.roles import Urls
from shared.state.services import open_services
from shared.steps.audit.checkpoints import anchored
from shared.steps.audit.entry import now
from shared.steps.audit.prefix import EVERYBODY, Allowed
from shared.steps.audit.pruning import Going, Plan, named_elsewhere, planned, renew
from shared.steps.audit.pruning import prune as remove
from shared.steps.audit.verify import stated_by
from shared.steps.audit.writer import open_writer

_MAY = "SELECT has_function_privilege(to_regprocedure('suite.prune_audit(text)'), 'EXECUTE')"
_BEFORE = "SELECT now() - make_interval(days => $1)"
_KNOWN = "SELECT EXISTS (SELECT FROM suite.audit WHERE tenant = $1)"
_NAMED_IN_ONE = 200
_WHY_MOST = 200


def prune(
    older_than: Annotated[
        int | None,
        typer.Option(
            min=AUDIT_KEPT_LEAST_DAYS, metavar="DAYS", help="Records older than this; default: SUITE_AUDIT_KEPT_DAYS."
        ),
    ] = None,
    why: Annotated[str, typer.Option(help="Kept in the audit, and in the statements.")] = "retention",
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of checkpoints, or a log with them; default: this machine's own."),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove old records from the beginning of chains, for good; a signed statement stays of each. Exit code 1, and a
    line for each chain that is left as it is because something in it does not fit.
    """
    settings = read_settings()
    days = _days(older_than, settings)
    if not 0 < len(why) <= _WHY_MOST or not why.isprintable():
        raise Misconfigured(f"--why: say it in one line of at most {_WHY_MOST} characters")

    async def run() -> None:
        ring = load_keys(settings).audit
        async with open_services(settings) as urls, _owning(urls) as connection:
            before = await connection.fetchval(_BEFORE, days)
            stated, report = stated_by(anchored(settings, checkpoints or ()), ring)
            named = {place: hashed for place, (hashed, _) in stated.items()} | await named_elsewhere(connection, ring)
            held = await _held(connection, settings)
            allowed = Allowed(before, held, named, operator(), why)
            plan = await planned(connection, ring, allowed)
            plan.problems[:0] = report.problems
            _tell(plan, before, held)
            if not dry_run:
                plan.problems += await _pruned(connection, ring, allowed, plan, settings, urls)
        if plan.problems:
            raise typer.Exit(1)

    complete(run)


def _days(older_than: int | None, settings: Settings) -> int:
    kept = settings.audit_kept_days
    if settings.read_only:
        raise Misconfigured("SUITE_READ_ONLY is set: nothing is removed")
    if older_than is None and kept is None:
        raise Misconfigured("records are kept for ever: set SUITE_AUDIT_KEPT_DAYS, or say --older-than DAYS")
    if older_than is not None and kept is not None and older_than < kept:
        raise Misconfigured(f"SUITE_AUDIT_KEPT_DAYS is {kept}: records younger than that are not removed")
    return older_than or kept or 0


@asynccontextmanager
async def _owning(urls: Urls) -> AsyncGenerator[Any]:
    """A connection of a role that may prune."""
    if not urls.owner:
        raise Misconfigured(
            "SUITE_DATABASE_OWNER_URL is needed: of suite_owner, or of a role that may prune and do nothing else "
            "(docs/audit-retention.md)"
        )
    connection = await connect(urls.owner, "prune")
    try:
        may = await connection.fetchval(_MAY)
        if may is None:
            raise Misconfigured("the database has nothing to prune with; run `mcp-suite db migrate` first")
        if not may:
            raise Misconfigured("the role of SUITE_DATABASE_OWNER_URL may not prune: use suite_owner")
        yield connection
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(f"the role of SUITE_DATABASE_OWNER_URL may not prune ({error}): use suite_owner") from None
    finally:
        await connection.close()


async def _held(connection: Any, settings: Settings) -> frozenset[str]:
    """Tenants whose records stay; one of whom there is no record was misspelt, and would not be held."""
    for tenant in settings.audit_held:
        if tenant != EVERYBODY and not await connection.fetchval(_KNOWN, tenant):
            raise Misconfigured(f"SUITE_AUDIT_HELD: no record is of a tenant {tenant}; correct it, or take it out")
    return frozenset(settings.audit_held)


def _tell(plan: Plan, before: datetime, held: frozenset[str]) -> None:
    for problem in plan.problems:
        typer.echo(f"left as it is: {problem.where}: {problem.what}")
    for going in plan.going:
        said = going.statement
        whole = ", the whole chain" if said.ended else ""
        typer.echo(f"{said.chain}: {said.seq - going.records + 1} to {said.seq}, up to {said.until}{whole}")
    if held:
        typer.echo(f"held: {', '.join(sorted(held))}")
    typer.echo(f"older than {before.isoformat(timespec='seconds')}: {_sum(plan.going)}")


def _sum(going: Sequence[Going]) -> str:
    if not going:
        return "nothing to remove"
    since, until = min(one.statement.since for one in going), max(one.statement.until for one in going)
    return f"{sum(one.records for one in going)} records of {len(going)} chains, {since} to {until}"


async def _pruned(
    connection: Any, ring: KeyRing, allowed: Allowed, plan: Plan, settings: Settings, urls: Urls
) -> Sequence[Any]:
    """Put on record what is about to go, and then remove it."""
    problems: Sequence[Any] = ()
    if plan.going:
        gone: list[int] = []
        async with open_writer(session_url(settings, urls.app), ring, settings) as sink:
            for record in _records(allowed, plan.going):
                await sink.write(record)
            problems = await remove(connection, ring, allowed, plan, gone.append)
        for problem in problems:
            typer.echo(f"left as it is: {problem.where}: {problem.what}")
        typer.echo(f"{sum(gone)} records were removed")
    if renewed := await renew(connection, ring):
        typer.echo(f"{renewed} statements of what was pruned before are signed under the newest key now")
    return problems


def _records(allowed: Allowed, going: Sequence[Going]) -> Iterator[dict[str, Any]]:
    """What the audit says of it: as many records as it takes to name each chain."""
    for start in range(0, len(going), _NAMED_IN_ONE):
        part = going[start : start + _NAMED_IN_ONE]
        yield {
            **{"v": 1, "id": str(uuid4()), "at": now(), "kind": "prune", "server": "suite", "transport": "command"},
            **{"target_kind": "audit", "target": "prune", "effect": "write", "outcome": "ok"},
            **{"actor": allowed.by, "agent": "mcp-suite audit prune", "why": allowed.why},
            **{"before": allowed.before.isoformat(timespec="microseconds"), "held": sorted(allowed.held)},
            "records": sum(one.records for one in part),
            "chains": {one.statement.chain: one.statement.seq for one in part},
        }
