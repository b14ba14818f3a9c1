"""`docs/commands.md`: every command of `mcp-suite`, as it explains itself."""

import inspect
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from typer.main import get_command

from shared.ops.cli import app
from shared.ops.reference.table import NOTE, cell, code, table


def walk(command: Any = None, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group below one, by its words, in the order in which help lists them."""
    found: Any = get_command(app) if command is None else command
    yield path, found
    for name in found.list_commands(None) if hasattr(found, "list_commands") else ():
        yield from walk(found.get_command(None, name), *path, name)


def page() -> Iterator[str]:
    yield f"# Commands\n\n{NOTE}"
    yield "`.venv/bin/mcp-suite` in a copy of the repository, `mcp-suite` in the image. `--help` says the same.\n"
    for path, command in walk():
        if path:
            yield from _section(path, command)


def _section(path: tuple[str, ...], command: Any) -> Iterator[str]:
    yield f"{'#' * (len(path) + 1)} `{' '.join(path)}`\n"
    yield f"{' '.join(inspect.cleandoc(command.help or '').split())}\n"
    if hasattr(command, "list_commands"):
        return
    takes = [_taken(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    if takes:
        yield from table(("takes", "default", "meaning"), takes)


def _taken(parameter: Any) -> tuple[str, ...]:
    names = parameter.opts if parameter.param_type_name == "option" else [parameter.name.upper()]
    given = parameter.default
    default = "" if given is None or given is False or callable(given) else code(str(getattr(given, "value", given)))
    of: Any = parameter.type_descriptor.annotation
    words = (
        f" One of {', '.join(code(word) for word in of)}." if isinstance(of, type) and issubclass(of, StrEnum) else ""
    )
    return code(*names), "required" if parameter.required else default, cell((parameter.help or "") + words)
