"""`python -m tests.conformance`: the official suite against `mcp-suite serve customers`, in both eras."""

import sys
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import anyio
import typer

from shared.state.embedded import open_embedded_postgres
from shared.state.roles import Passwords, ensure_roles
from tests.clients.node import npm
from tests.conformance import referee
from tests.conformance.referee import Target
from tests.conformance.scenarios import FOLDER, Era, disagreements, load
from tests.conformance.verdict import Verdict
from tests.processes import process


async def judge_all(eras: Sequence[Era]) -> list[Verdict]:
    """Start a server with an empty database of its own, and print each verdict as it is reached."""
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "data").mkdir(mode=0o700)
        async with open_embedded_postgres(folder / "postgres", durable=False) as postgres:
            urls = await ensure_roles(postgres.admin_url, Passwords.random(), "conformance")
            async with process(urls, folder / "data") as server:
                await server.start()
                url = server.address.resource
                target = Target(url, server.provider().mint("admin", url), folder / "found")
                for era in eras:
                    async for verdict in referee.judge(era, target):
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
    npm.install(FOLDER)
    eras = load()
    wrong = disagreements(eras, await referee.known())
    return close(eras, await judge_all(eras), wrong)


if __name__ == "__main__":
    try:
        sys.exit(anyio.run(main))
    except npm.Unreachable as error:
        sys.exit(f"The conformance suite is not here: {error}")
