"""Variables that settings are made of, each with where it came from: the environment first, then files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops import secret_files

ENVIRONMENT = "environment"
USUAL = ("DATABASE_URL", "REDIS_URL")
"""Names that platforms give to what they provide."""

_DEFAULT_DIR: Path = Settings.model_fields["secrets_dir"].default
_NOT_SETTINGS = frozenset({"SUITE_LONG", "SUITE_REVISIONS", "SUITE_CHROMIUM", "SUITE_HAPROXY", "SUITE_NGINX"})
"""Variables of the development tree that are no settings of a process; so are those of tests."""


_NEAR = 0.75


@dataclass(frozen=True)
class Variable:
    """What one variable says.

    Attributes:
        value: What it says, perhaps with references into Vault.
        origin: `environment`, or the file it came from.
        secret: It came from where secrets are kept, so nobody shows it.
    """

    value: str = field(repr=False)
    origin: str
    secret: bool = False


@dataclass(frozen=True)
class Gathered:
    """All of them, by name, and what should be put right though it does not stop us."""

    variables: Mapping[str, Variable]
    warnings: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, str]:
        return {name: variable.value for name, variable in self.variables.items()}

    @property
    def misspelt(self) -> list[str]:
        """One sentence for each variable and file that sets nothing."""
        return [_misspelt(name, self.variables[name]) for name in self.variables if not _is_known(name)]


def gather(
    environment: Mapping[str, str], folder: Path | None = None, origins: Mapping[str, str] = MappingProxyType({})
) -> Gathered:
    """The variables of an environment, and of the files beside it.

    Args:
        environment: Names → values; goes before the files.
        folder: Of the files; else what `SUITE_SECRETS_DIR` says.
        origins: Name → the file it is from, where it is not from the environment.

    Raises:
        Misconfigured: A file cannot be used; names its path.
    """
    variables = {name: Variable(value, origins.get(name, ENVIRONMENT)) for name, value in _ours(environment)}
    named = folder or (Path(environment["SUITE_SECRETS_DIR"]) if environment.get("SUITE_SECRETS_DIR") else None)
    warnings: list[str] = []
    for file in secret_files.read(named or _DEFAULT_DIR, wanted=named is not None):
        if file.variable == "SUITE_SECRETS_DIR":
            raise Misconfigured(f"{file.path}: SUITE_SECRETS_DIR is set in the environment alone")
        variables.setdefault(file.variable, Variable(file.value, str(file.path), secret=True))
        if file.shown_to:
            warnings.append(f"{file.shown_to} can read the file of {file.variable} ({file.path}): chmod 0400 it")
    return Gathered(variables, tuple(warnings))


def _ours(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those that may be settings; like pydantic we take any case, and the one in capitals goes first."""
    for name in sorted(environment, reverse=True):  # capitals sort first, so they come last and stay
        if name.upper().startswith("SUITE_") or name in USUAL:
            yield name.upper(), environment[name]


def _is_known(name: str) -> bool:
    if name in USUAL or name in _NOT_SETTINGS or name.startswith("SUITE_TEST_"):
        return True
    first, *inner = name.removeprefix("SUITE_").lower().split("__")
    known = Settings.model_fields.get(first)
    return known is not None and (not inner or _has_parts(known.annotation))


def _has_parts(annotation: Any) -> bool:
    """Whether `__` may go into it: a table, or a model (which refuses names that it does not know)."""
    if get_origin(annotation) in (Union, UnionType):
        return any(_has_parts(one) for one in get_args(annotation))
    return get_origin(annotation) is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel))


def names() -> list[str]:
    """Every variable there is; of tables the name of the whole."""
    found: list[str] = []
    for name, known in Settings.model_fields.items():
        found.append(f"SUITE_{name.upper()}")
        if isinstance(known.annotation, type) and issubclass(known.annotation, BaseModel):
            found += [f"SUITE_{name.upper()}__{part.upper()}" for part in known.annotation.model_fields]
    return found


def _misspelt(name: str, variable: Variable) -> str:
    where = "" if variable.origin == ENVIRONMENT else f" ({variable.origin})"
    near = get_close_matches(name, names(), n=1, cutoff=_NEAR)
    return f"{name}{where} is no setting" + (f": do you mean {near[0]}?" if near else "; see docs/settings.md")
