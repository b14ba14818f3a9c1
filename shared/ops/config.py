"""`mcp-suite config`: what is set, where it came from, and what is wrong with it."""

import os
from pathlib import Path
from typing import Annotated

import orjson
import typer

from shared.core.errors import Misconfigured
from shared.ops import env_files
from shared.ops.config_check import Finding, build, check, single
from shared.ops.config_explain import DEFAULT, at_home, explain
from shared.ops.config_schema import schema
from shared.ops.variables import Gathered, Variable, gather

app = typer.Typer(no_args_is_help=True, help="Check and explain the settings of a process.")

EnvFiles = Annotated[
    list[Path] | None,
    typer.Option("--env-file", help="In place of this environment; may be given several times, later ones count."),
]
SecretsDir = Annotated[Path | None, typer.Option("--secrets-dir", help="In place of SUITE_SECRETS_DIR.")]


@app.command("check")
def config_check(
    env_file: EnvFiles = None,
    secrets_dir: SecretsDir = None,
    *,
    resolve: Annotated[bool, typer.Option("--resolve", help="Look references into Vault up, as at start.")] = False,
    job: Annotated[bool, typer.Option("--job", help="For a process that runs commands, and serves nobody.")] = False,
) -> None:
    """Say everything that is wrong with the settings at once; exit code 1 if no process would start with them."""
    findings: list[Finding] = []
    try:
        gathered = _gathered(env_file, secrets_dir)
    except Misconfigured as error:
        gathered = Gathered({})
        findings = [single("secret-file", str(error))]
    else:
        try:
            findings = check(_resolved(gathered) if resolve else gathered, serving=not job)
        except Misconfigured as error:
            findings = [single("vault-reference", str(error)), *check(gathered, serving=not job)]
    for finding in findings:
        typer.echo(_lines(finding))
    refused = sum(finding.refuses for finding in findings)
    warned = len(findings) - refused
    counted = (_many(refused, "problem"), _many(warned, "warning"))
    typer.echo(f"{_many(len(gathered.variables), 'variable')}: {', '.join(counted)}")
    if refused:
        raise typer.Exit(1)


@app.command("explain")
def config_explain(
    env_file: EnvFiles = None,
    secrets_dir: SecretsDir = None,
    *,
    changed: Annotated[bool, typer.Option("--changed", help="Only those that are set somewhere.")] = False,
) -> None:
    """Print each setting, its value unless that is secret, where it came from and what it means. Vault is not asked."""
    gathered = _gathered(env_file, secrets_dir)
    for one in explain(build(gathered.values), gathered.variables):
        if not changed or one.origin != DEFAULT:
            typer.echo(f"{one.variable}={at_home(one.value)}\n    {one.origin}. {one.meaning}")


@app.command("schema")
def config_schema() -> None:
    """Print the settings as JSON Schema."""
    typer.echo(orjson.dumps(schema(), option=orjson.OPT_INDENT_2).decode())


def _gathered(env_file: list[Path] | None, secrets_dir: Path | None) -> Gathered:
    if not env_file:
        return gather(os.environ, secrets_dir)
    found = env_files.read(env_file)
    values = {name: value for name, (value, _) in found.items()}
    return gather(values, secrets_dir, {name: str(file) for name, (_, file) in found.items()})


def _resolved(gathered: Gathered) -> Gathered:
    from shared.ops.vault.leases import Leases  # noqa: PLC0415 - hvac is imported by those who use it
    from shared.ops.vault.resolving import resolve  # noqa: PLC0415 - as said above

    leases = Leases()
    found = resolve(gathered.values, leases)
    leases.give_back()
    looked_up = {name: Variable(value, gathered.variables[name].value, secret=True) for name, value in found.items()}
    return Gathered({**gathered.variables, **looked_up}, gathered.warnings)


def _lines(finding: Finding) -> str:
    word = "refused" if finding.refuses else "warning"
    return f"{word} {finding.name}: {finding.what}\n    Why: {finding.why}\n    Do: {finding.remedy}"


def _many(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
