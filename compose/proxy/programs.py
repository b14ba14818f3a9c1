"""Where HAProxy and nginx come from: named, installed, or Debian's package unpacked into a cache."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compose.proxy.packages import Unreachable, library_path, unpack
from compose.proxy.topology import Kind
from shared.core.errors import Misconfigured

_SAYS = {"haproxy": r"HAProxy version (\d[\d.]*)", "nginx": r"nginx version: nginx/(\d[\d.]*)"}
_OLDEST = {"haproxy": (2, 6), "nginx": (1, 22)}
_BESIDE_PATH = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
_PROGRAM = "usr/sbin"


@dataclass(frozen=True)
class Program:
    """A load balancer's program.

    Attributes:
        kind: Which one.
        path: Of the executable.
        version: As it says itself, e.g. `2.6.12`.
        source: `SUITE_HAPROXY` or `SUITE_NGINX`, `system` or `package`.
        environment: What must be added to the environment for it to run.
    """

    kind: Kind
    path: Path
    version: str
    source: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return f"{self.kind} {self.version} ({self.source})"


def find_balancer(kind: Kind = "haproxy") -> Program:
    """The program that SUITE_HAPROXY or SUITE_NGINX names, else an installed one, else Debian's package.

    The package is fetched once with apt-get, as any user, and unpacked into a cache: nothing is installed.

    Raises:
        Unreachable: It cannot be fetched.
        Misconfigured: It cannot be had; says why and what to do.
    """
    variable = f"SUITE_{kind.upper()}"
    named = os.environ.get(variable)
    if named:
        program = _fitting(kind, Path(named), variable)
        if program is None:
            raise Misconfigured(f"{variable}={named} is no {kind} {_oldest(kind)} or newer")
        return program
    for path in _installed(kind):
        if program := _fitting(kind, path, "system"):
            return program
    try:
        return _packaged(kind)
    except Unreachable as error:
        raise Unreachable(f"{error}. Install {kind}, or name one with {variable}") from error


def _installed(kind: Kind) -> Iterator[Path]:
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *_BESIDE_PATH])
    if found := shutil.which(kind, path=folders):
        yield Path(found)


def _packaged(kind: Kind) -> Program:
    ours, users = Path(sys.prefix) / ".tools", _cache() / "mcp-suite"
    for home in (ours, users):
        if (program := _unpacked(kind, home / kind)) is not None:
            return program
    home = ours if os.access(sys.prefix, os.W_OK) else users
    unpack(kind, f"{_PROGRAM}/{kind}", home, lambda: _unpacked(kind, home / kind) is not None)
    program = _unpacked(kind, home / kind)
    if program is None:
        raise Misconfigured(f"the package {kind} of this system is older than {_oldest(kind)}, or does not run")
    return program


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _unpacked(kind: Kind, root: Path) -> Program | None:
    path = root / _PROGRAM / kind
    return _fitting(kind, path, "package", {"LD_LIBRARY_PATH": library_path(root)}) if path.exists() else None


def _fitting(kind: Kind, path: Path, source: str, environment: Mapping[str, str] | None = None) -> Program | None:
    added = environment or {}
    try:
        done = subprocess.run(  # noqa: S603 - the machine's or the user's own program
            [path, "-v"], env={**os.environ, **added}, capture_output=True, text=True, timeout=10, check=False
        )
    except OSError:
        return None
    said = re.search(_SAYS[kind], done.stdout + done.stderr)
    if said is None or tuple(map(int, said[1].split(".")[:2])) < _OLDEST[kind]:
        return None
    return Program(kind, path, said[1], source, added)


def _oldest(kind: Kind) -> str:
    return ".".join(map(str, _OLDEST[kind]))
