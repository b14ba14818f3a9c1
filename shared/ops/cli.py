"""`mcp-suite`: run the suite, connect clients to it, and look after its data."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.main import get_command, get_group

from shared.core.errors import SuiteError

COMMANDS = {
    "up": "shared.ops.up:up",
    "serve": "shared.ops.serve:serve",
    "connect": "shared.ops.connect.command:connect",
    "bundle": "shared.ops.bundle:bundle",
    "token": "shared.ops.token:token",
    "stops": "shared.ops.switches:stops",
    "resume": "shared.ops.switches:resume",
    "audit": "shared.ops.audit:app",
    "db": "shared.ops.db:app",
    "doctor": "shared.ops.doctor_command:app",
    "documents": "shared.ops.documents:app",
    "mail": "shared.ops.mails:app",
    "config": "shared.ops.config:app",
    "policy": "shared.ops.policy:app",
    "sessions": "shared.ops.sessions:app",
    "stop": "shared.ops.switches:app",
}
"""Where each command is: a function, or a group of commands."""


class _OnDemand(TyperGroup):
    """Imports a command when it is named: a client waits while `serve --stdio` starts, and needs no other one."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = _command(getattr(import_module(module), name))
        command.name = cmd_name
        return command


def _command(found: typer.Typer | Callable[..., None]) -> Any:
    if isinstance(found, typer.Typer):
        return get_group(found)
    alone = typer.Typer(add_completion=False)
    alone.command()(found)
    return get_command(alone)


app = typer.Typer(
    cls=_OnDemand,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show lines and values that a log must not have
    help=__doc__,
)


@app.callback()
def _suite() -> None:
    """Typer asks for something that is there from the beginning."""


def main() -> None:
    """The entry point: failures we foresaw are one sentence on stderr and exit code 1."""
    try:
        app()
    except (SuiteError, ValidationError) as error:
        _complain(error)
    except ExceptionGroup as group:
        error = _alone(group)
        if not isinstance(error, SuiteError | ValidationError):
            raise
        _complain(error)


def _complain(error: SuiteError | ValidationError) -> NoReturn:
    typer.secho(_sentence(error), fg="red", err=True)
    sys.exit(1)


def _alone(error: Exception) -> Exception:
    """What failed, without the groups that the tasks around it put it in."""
    inner: tuple[Exception, ...] = getattr(error, "exceptions", ())
    return _alone(inner[0]) if len(inner) == 1 else error


def _sentence(error: SuiteError | ValidationError) -> str:
    if isinstance(error, ValidationError):
        found = [(f"SUITE_{'__'.join(map(str, problem['loc'])).upper()}", problem["msg"]) for problem in error.errors()]
        return "; ".join(f"{name}: {message}" for name, message in found)
    return str(error)
