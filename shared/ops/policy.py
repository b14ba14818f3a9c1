"""`mcp-suite policy`: check the policies, play their tests, and say why somebody may do something, or may not."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

import servers
from compose.idp.personas import PERSONAS
from shared.core.caller import ACRS, Caller
from shared.core.errors import Misconfigured
from shared.core.labels import Label
from shared.core.server import Server
from shared.core.settings import Settings
from shared.ops.running import parse_settings
from shared.steps.policy.cases import Case, cases_of, failures, read_cases
from shared.steps.policy.explaining import caller_of, explain
from shared.steps.policy.mutations import mutants
from shared.steps.policy.rules import Rules, sources_of
from shared.steps.policy.schema import schema_of
from shared.steps.policy.statements import InvalidPolicy
from shared.steps.policy.subject import Here, Subject

app = typer.Typer(no_args_is_help=True, help="Check, test and explain who may do what (docs/policy.md).")

OneServer = Annotated[str | None, typer.Argument(help="One of the folders under servers/; without it all of them.")]
Words = Annotated[list[str] | None, typer.Option()]


@app.command()
def check(server: OneServer = None) -> None:
    """Check every policy against what its server declares; exit code 1 if one cannot be used."""
    settings = parse_settings()
    bad = 0
    for one in _servers(server):
        try:
            rules = Rules.of(one, sources_of(one, settings.policy_dir))
        except InvalidPolicy as error:
            bad += len(error.problems)
            typer.echo("\n".join(f"{one.name}: {problem}" for problem in error.problems))
        else:
            typer.echo(f"{one.name}: {len(rules.statements)} statements, version {rules.version}")
    if bad:
        raise typer.Exit(1)


@app.command()
def schema(server: Annotated[str, typer.Argument(help="One of the folders under servers/.")]) -> None:
    """Print the Cedar schema that a server's tools make, for editors and other tools."""
    typer.echo(schema_of(servers.load(server)))


@app.command("test")
def play(
    server: OneServer = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Each statement must matter: without it, or turned around, a case fails.")
    ] = False,
) -> None:
    """Play the cases beside each policy; exit code 1 if one comes out otherwise."""
    settings = parse_settings()
    bad: list[str] = []
    for one in _servers(server):
        rules, cases = _rules(one, settings), _cases(one, settings)
        found = list(failures(rules, cases))
        bad += [f"{one.name}: case {failure}" for failure in found]
        typer.echo(f"{one.name}: {len(cases) - len(found)} of {len(cases)} cases as expected")
        if strict and not found:
            bad += list(_survivors(one, rules, cases))
    for line in bad:
        typer.echo(line)
    if bad:
        raise typer.Exit(1)


@app.command("explain")
def explain_call(
    call: Annotated[str, typer.Argument(help="SERVER.TOOL, e.g. customers.merge_customers.")],
    persona: Annotated[str | None, typer.Option("--as", help=f"A persona: {', '.join(PERSONAS)}.")] = None,
    role: Words = None,
    scope: Words = None,
    tenant: Annotated[str | None, typer.Option()] = None,
    subject: Annotated[str | None, typer.Option()] = None,
    trust: Annotated[str, typer.Option(help="person, service, delegated or hybrid.")] = "person",
    acr: Annotated[str | None, typer.Option(help=f"How they signed in: {', '.join(ACRS)}.")] = None,
    signed_in: Annotated[float | None, typer.Option(help="How many seconds ago.")] = None,
    arguments: Annotated[str | None, typer.Option(help="Of the call, as JSON.")] = None,
    seen: Annotated[list[str] | None, typer.Option(help=f"Read lately: {', '.join(Label)}.")] = None,
) -> None:
    """Why may somebody do something, or why not? Answers in the order in which a call is judged."""
    settings = parse_settings()
    name, _, tool = call.partition(".")
    rules = _rules(servers.load(name), settings)
    target = rules.targets.get(call)
    if target is None:
        raise Misconfigured(
            f"{name} has no {tool or 'tool of that name'}; there are: {', '.join(sorted(rules.targets))}"
        )
    known = {"tenant": tenant, "subject": subject, "acr": acr, "signed_in": signed_in}
    caller = _caller(persona, role, scope, trust, {key: value for key, value in known.items() if value is not None})
    query = target.tool.parse(_json(arguments)) if arguments is not None else None
    here = Here(settings.environment, settings.read_only)
    try:
        told = explain(Subject.of(rules, here, caller), target, query, [Label(label) for label in seen or ()])
    except ValueError as error:
        raise Misconfigured(str(error)) from None
    for step in told.steps:
        typer.echo(step)
    typer.echo(f"So: {told.outcome} (policies {rules.version}, {settings.environment})")


def _servers(name: str | None) -> list[Server]:
    return [servers.load(name)] if name else servers.every()


def _rules(server: Server, settings: Settings) -> Rules:
    try:
        return Rules.of(server, sources_of(server, settings.policy_dir))
    except InvalidPolicy as error:
        raise Misconfigured("\n".join(f"{server.name}: {problem}" for problem in error.problems)) from None


def _cases(server: Server, settings: Settings) -> list[Case]:
    """Beside the policy, and a company's own beside its own: they take the place of ours as the policies do."""
    ours = cases_of(server)
    own = settings.policy_dir / f"{server.name}_test.toml" if settings.policy_dir is not None else Path("/")
    return read_cases(own if own.is_file() else ours)


def _survivors(server: Server, rules: Rules, cases: list[Case]) -> list[str]:
    """What no case notices; what concerns nothing of this server is no matter of its cases."""
    return [
        f"{server.name}: no case notices when {one.statement.name} is {'gone' if one.what == 'without' else one.what}"
        for one in mutants(rules)
        if not one.concerns_nothing and one.survives(cases)
    ]


def _caller(
    persona: str | None, roles: list[str] | None, scopes: list[str] | None, trust: str, known: dict[str, Any]
) -> Caller:
    facts: dict[str, Any] = {"trust": trust, "roles": roles or [], "scopes": scopes or []}
    if persona is not None:
        if persona not in PERSONAS:
            raise Misconfigured(f"there is no persona {persona}; there are: {', '.join(PERSONAS)}")
        who = PERSONAS[persona]
        facts = {"subject": who.subject, "tenant": who.tenant, "acr": who.acr, "signed_in": 0, "trust": trust}
        facts |= {"roles": roles or who.roles, "scopes": scopes or who.scopes}
    facts |= known
    signed_in = facts.pop("signed_in", None)
    return caller_of(**facts, signed_in_s_ago=signed_in)


def _json(text: str) -> dict[str, Any]:
    try:
        given: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise Misconfigured('--arguments is a JSON object, e.g. \'{"customer_id": "C-000042"}\'')
    return given  # pyright: ignore[reportUnknownVariableType]
