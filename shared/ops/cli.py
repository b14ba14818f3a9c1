"""`mcp-suite`: run the suite, connect clients to it, and look after its data."""

import errno
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.main import get_command, get_group

from shared.core.errors import SuiteError
from shared.core.reason import reason
from shared.ops.importing import importing

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

_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
"""A folder that somebody else has to see to."""


class _OnDemand(TyperGroup):
    """Imports a command when it is named: a client waits while `serve --stdio` starts, and needs no other one."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = COMMANDS[cmd_name].partition(":")
        with importing():
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
    except Exception as raised:
        said = _sentence(_alone(raised))
        if said is None:
            raise
        typer.secho(said, fg="red", err=True)
        sys.exit(1)


def _alone(error: Exception) -> Exception:
    """What failed, without the groups that the tasks around it put it in."""
    inner: tuple[Exception, ...] = getattr(error, "exceptions", ())
    return _alone(inner[0]) if len(inner) == 1 else error


def _sentence(error: Exception) -> str | None:
    """What to tell people; None for what nobody foresaw."""
    if isinstance(error, ValidationError):
        found = [(f"SUITE_{'__'.join(map(str, problem['loc'])).upper()}", problem["msg"]) for problem in error.errors()]
        return "; ".join(f"{name}: {message}" for name, message in found)
    if isinstance(error, OSError) and error.errno in _NOT_OURS and error.filename:
        return f"{error.filename}: {error.strerror}. SUITE_DATA_DIR names the folder that our files are in"
    return reason(error) if isinstance(error, SuiteError) else None
