"""`mcp-suite doctor auth`: why a token is accepted or refused, step by step, without showing it."""

import re
import sys
import time
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

import servers
from shared.core.caller import Caller
from shared.core.errors import Misconfigured, SuiteError, Unauthenticated, Unavailable
from shared.core.server import Server
from shared.core.settings import Settings
from shared.ops import serving
from shared.ops.doctor import show
from shared.ops.running import complete, read_settings
from shared.ops.token_doctor.explain import explain
from shared.ops.token_doctor.rights import tell_rights, tell_stopped, tell_stops
from shared.ops.token_doctor.told import UNAVAILABLE, Question, Told
from shared.ops.token_doctor.words import without
from shared.ops.tracebacks import told as told_error
from shared.state.http import open_client
from shared.steps.auth import Verifier
from shared.steps.challenges import ADVICE
from shared.steps.providers import open_providers

_OPTION = re.compile(r"--?[a-z][a-z-]{0,15}")
_SCHEME = re.compile(r"([A-Za-z][\w-]{0,15})\s+")


def auth(
    context: typer.Context,
    server: Annotated[str, typer.Option(help="The server that the token is for.")] = "customers",
    token: Annotated[
        str | None,
        typer.Option(
            help="The token, or `-` to read it from standard input, as without this option. Better so: others on the "
            "machine see command lines, and shells remember them."
        ),
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="For `serve`, which answers at /mcp.")] = False,
) -> None:
    """Explain step by step why a token is accepted or refused, and what to do; exit code 1 if it is refused.

    Neither the token nor its signature is shown, nor more of it than whom it is for and what they may do. It needs no
    database; of a provider that cannot be reached it says what could not be checked.
    """
    _refuse_more(context.args)
    given = _given(token)
    if not _examined(read_settings(), servers.load(server), given, alone=alone):
        raise typer.Exit(1)


def _examined(settings: Settings, server: Server, given: str, *, alone: bool) -> bool:
    accepted = False

    async def run() -> None:
        nonlocal accepted
        accepted = await examine_token(settings, server, given, without(given, typer.echo), alone=alone)

    try:
        complete(run)
    except SuiteError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it says might repeat the token
        without(given, lambda line: typer.echo(line, err=True))(told_error(error))
    return accepted


async def examine_token(
    settings: Settings, server: Server, given: str, write: Callable[[str], None], *, alone: bool = False
) -> bool:
    """Write everything there is to say about a token, as somebody pasted it; whether its sender may call.

    Raises:
        Misconfigured: The settings name providers that a server would refuse to start with.
    """
    scheme, token = _parts(given)
    sent = f"{scheme} {token}" if token else None
    async with open_providers(settings) as providers, open_client() as client:
        here, elsewhere = _addresses(settings, server, alone=alone)
        question = Question(settings, server, here, elsewhere, providers, client, time.time)
        verdict = await verdict_of(question, sent)
        told = await explain(question, token, verdict)
        stopped = False
        if told.caller is not None:
            switches = await tell_stops(told, settings)
            if switches is not None:
                stopped = tell_stopped(told, switches, told.caller)
                verdict = await verdict_of(question, sent, switches.revoked)
            tell_rights(told, question, told.caller, switches)
    show(told.findings, write)
    for line in _conclusion(told, verdict, stopped=stopped):
        write(line)
    return verdict == "accepted" and not stopped


def _addresses(settings: Settings, server: Server, *, alone: bool) -> tuple[str, dict[str, str]]:
    """The URL of the server, and what else has one here."""
    where = serving.addresses(settings, servers.every(), alone=False)
    here = serving.addresses(settings, [server], alone=alone)[server.name].resource
    other = serving.addresses(settings, [server], alone=not alone)[server.name].resource
    elsewhere = {address.resource: f"the server {name} here" for name, address in where.items()}
    elsewhere[other] = "this server as `up` has it: leave --alone out" if alone else "as `serve` has it: say --alone"
    return here, {url: what for url, what in elsewhere.items() if url != here}


async def verdict_of(question: Question, sent: str | None, revoked: Callable[[Caller], bool] = lambda _: False) -> str:
    """What the verifier itself says to a request: `accepted`, the reason of its refusal, or `unavailable`.

    Args:
        question: What the token is looked at for.
        sent: The header with the token.
        revoked: Whether the caller's token no longer counts here.
    """
    verifier = Verifier(question.settings, question.server.name, question.resource, question.providers, revoked=revoked)
    try:
        await verifier.verify(sent)
    except Unauthenticated as refusal:
        return refusal.reason
    except Unavailable:
        return UNAVAILABLE
    return "accepted"


def _conclusion(told: Told, verdict: str, *, stopped: bool) -> list[str]:
    if verdict == "accepted":
        lines = ["So: accepted, but its caller is stopped here." if stopped else "So: accepted."]
    elif verdict == UNAVAILABLE:
        lines = ["So: it cannot be checked now (503); nobody is accepted on doubt."]
    else:
        lines = [f"So: refused ({verdict}). Its sender is told: {ADVICE[verdict]}"]
    if verdict != told.outcome:
        lines.append(f"The steps above came to {told.outcome}: they are not to be relied on here. Please report it.")
    return lines


def _given(token: str | None) -> str:
    if token not in {None, "-"}:
        return token or ""
    if sys.stdin.isatty():
        typer.echo("Paste the token, then press Ctrl-D on a line of its own.", err=True)
    return typer.get_text_stream("stdin").read()


def _parts(given: str) -> tuple[str, str]:
    """Scheme and token of what people paste: a token, with or without what is before it."""
    text = re.sub(r"(?i)^\s*authorization:", "", given).strip()
    found = _SCHEME.match(text)
    return (found[1], text[found.end() :].strip()) if found else ("Bearer", text)


def _refuse_more(words: list[str]) -> None:
    """What is too much on the command line may be the token, so it is not repeated, as usual errors would."""
    if words:
        names = [word for word in words if _OPTION.fullmatch(word)]
        _refuse(f"there is no option {names[0]}" if names else "a token is given with --token, or on standard input")


def _refuse(why: str) -> NoReturn:
    raise Misconfigured(f"{why}; see mcp-suite doctor auth --help")
