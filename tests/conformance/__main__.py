"""`python -m tests.conformance`: the official suite against `mcp-suite serve customers`, and against a server with
the names it calls, in both eras; with `--balanced` against three replicas of each behind the load balancer.
"""

import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

import anyio
import typer

from shared.ops.logs import configure
from shared.state.embedded import open_embedded_postgres
from shared.state.roles import Passwords, ensure_roles
from tests.clients.node import npm
from tests.conformance import everything, referee
from tests.conformance.balanced import behind, open_balanced
from tests.conformance.referee import Target
from tests.conformance.scenarios import FOLDER, Era, disagreements, load
from tests.conformance.verdict import Verdict
from tests.harness import open_suite
from tests.processes import process


@asynccontextmanager
async def open_servers(folder: Path) -> AsyncGenerator[tuple[Target, Target]]:
    """Both servers, one process each, with an empty database of their own."""
    (folder / "data").mkdir(mode=0o700)
    async with open_embedded_postgres(folder / "postgres", durable=False) as postgres:
        urls = await ensure_roles(postgres.admin_url, Passwords.random(), "conformance")
        async with process(urls, folder / "data") as server:
            await server.start()
            url = server.address.resource
            customers = Target(url, server.provider().mint("admin", url), folder / "found")
            async with open_suite(urls, folder / "data", postgres.admin_url, served=[everything.server]) as suite:
                yield customers, everything.target(suite, folder / "found-everything")


async def judge_all(eras: Sequence[Era], *, behind_balancer: bool) -> list[Verdict]:
    """Start both servers, and print each verdict as it is reached."""
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as made:
        opening = open_balanced if behind_balancer else open_servers
        async with opening(Path(made)) as (customers, named):
            for era in eras:
                async for verdict in referee.judge(era, customers, named):
                    tell(verdict)
                    verdicts.append(verdict)
    return verdicts


def tell(verdict: Verdict) -> None:
    typer.echo(f"{verdict.era}  {verdict.outcome:4}  {verdict.scenario:28} checks passed: {verdict.passed}")
    for sentence in [*verdict.problems, *verdict.remarks]:
        typer.echo(f"{'':18}{sentence}")


def close(eras: Sequence[Era], verdicts: Sequence[Verdict], wrong: Sequence[str]) -> int:
    """Print what it comes to; the exit code."""
    for era in eras:
        for reason, scenarios in groupby(era.left_out, lambda scenario, era=era: era.left_out[scenario]):
            typer.echo(f"{era.name}  left out because {reason}: {', '.join(scenarios)}")
    for sentence in wrong:
        typer.echo(sentence)
    outcomes = [verdict.outcome for verdict in verdicts]
    left_out = sum(len(era.left_out) for era in eras)
    typer.echo(f"{outcomes.count('idle')} scenarios had nothing to check, {left_out} were left out")
    typer.echo(f"{outcomes.count('ok')} passed, {outcomes.count('red') + len(wrong)} failed")
    return 1 if wrong or "red" in outcomes or "ok" not in outcomes else 0


async def main() -> int:
    configure("ERROR")  # the second server runs in this process, and its calls are no verdicts
    npm.install(FOLDER)
    eras = load()
    wrong = disagreements(eras, await referee.known())
    behind_balancer = "--balanced" in sys.argv[1:]
    eras = [behind(era) for era in eras] if behind_balancer else eras
    return close(eras, await judge_all(eras, behind_balancer=behind_balancer), wrong)


if __name__ == "__main__":
    try:
        sys.exit(anyio.run(main))
    except npm.Unreachable as error:
        sys.exit(f"The conformance suite is not here: {error}")
