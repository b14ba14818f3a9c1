"""The releases of the suite, as `shared/releases.toml` names them: what an upgrade goes from, and to."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parents[1] / "releases.toml"


@dataclass(frozen=True)
class Release:
    """One release.

    Attributes:
        version: Of the suite; semantic.
        date: When it was made.
        heads: The newest revision of each schema.
        servers: The version of each server's surface.
        commit: Where its code is in the history; the newest has none yet.
    """

    version: str
    date: date
    heads: Mapping[str, str]
    servers: Mapping[str, str]
    commit: str | None = None
    after: "Release | None" = field(default=None, repr=False)

    @property
    def serves(self) -> str:
        """The oldest release whose replicas may run beside this one's, on the same tables."""
        return self.after.version if self.after else self.version


@cache
def this_release() -> Release:
    """The release that this code is; `after` is the one before it."""
    return _chained(tomllib.loads(_FILE.read_text())["release"])


def _chained(entries: list[dict[str, Any]]) -> Release:
    release: Release | None = None
    for entry in reversed(entries):
        release = Release(**entry, after=release)
    assert release is not None, "shared/releases.toml names this release"  # noqa: S101 - an invariant
    return release


def parts(version: str) -> tuple[int, ...]:
    """A semantic version as numbers, which compare as versions do."""
    return tuple(int(part) for part in version.split("."))
