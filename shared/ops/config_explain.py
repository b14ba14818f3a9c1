"""Each setting: its value, unless that is secret, where it came from, and what it means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from shared.core.settings import Settings
from shared.ops.config_check import Built
from shared.ops.variables import Variable
from shared.ops.vault.references import referring

DEFAULT = "default"
_HIDDEN = "(hidden)"


@dataclass(frozen=True)
class Explained:
    """One setting.

    Attributes:
        variable: Its name.
        value: As it would be written, or why it is not shown.
        origin: `default`, `environment`, a file, or `vault:PATH#KEY`.
        meaning: Its description.
    """

    variable: str
    value: str
    origin: str
    meaning: str


def explain(built: Built, variables: Mapping[str, Variable]) -> Iterator[Explained]:
    """Every setting, in the order of docs/settings.md.

    Args:
        built: The settings.
        variables: What they were made of.
    """
    for name, known in Settings.model_fields.items():
        if name in built.invalid | built.unresolved:
            shown = "(in Vault)" if name in built.unresolved else "(cannot be used: see `mcp-suite config check`)"
            yield Explained(f"SUITE_{name.upper()}", shown, _origin((name,), variables), known.description or "")
        else:
            yield from _parts((name,), getattr(built.settings, name), known, variables)


def _parts(
    path: tuple[str, ...], value: Any, known: FieldInfo, variables: Mapping[str, Variable]
) -> Iterator[Explained]:
    """One setting, or those that it is made of."""
    if isinstance(value, BaseModel):
        for name, part in type(value).model_fields.items():
            yield from _parts((*path, name), getattr(value, name), part, variables)
    elif isinstance(value, dict) and value:
        for key, one in value.items():  # pyright: ignore[reportUnknownVariableType] - a table of the settings
            yield from _parts((*path, str(key)), one, known, variables)  # pyright: ignore[reportUnknownArgumentType] - as said above
    else:
        variable, origin = "__".join(("SUITE_" + path[0], *path[1:])).upper(), _origin(path, variables)
        kept = variables.get(variable)
        secret = (kept is not None and kept.secret) or "vault:" in origin
        yield Explained(variable, _HIDDEN if secret and value else _shown(value), origin, known.description or "")


def _shown(value: Any) -> str:
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, SecretStr):
        return _HIDDEN if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return " ".join(_shown(one) for one in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - of words or secrets
    return str(value).lower() if isinstance(value, bool) else str(value)


def _origin(path: tuple[str, ...], variables: Mapping[str, Variable]) -> str:
    """Of the variable that names it, or of the one that has the whole of it."""
    names = ["__".join(("SUITE_" + path[0], *path[1:length])).upper() for length in range(len(path), 0, -1)]
    names += {"database_url": ["DATABASE_URL"], "redis_url": ["REDIS_URL"]}.get(path[0], [])
    found = next((variables[name] for name in names if name in variables), None)
    if found is None:
        return DEFAULT
    return found.value if referring({"SUITE_": found.value}) else found.origin


def at_home(value: str) -> str:
    """With `~` for the home folder."""
    return value.replace(str(Path.home()), "~", 1)
