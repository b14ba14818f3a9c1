"""Programs that no wheel has, out of Debian's packages: unpacked beside the environment, never installed."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from compose.proxy.packages import Unreachable, library_path, unpack

_HOME = Path(sys.prefix) / ".tools"


@dataclass(frozen=True)
class Program:
    """Where it is, and what must be added to the environment for it to run."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def beside(self, name: str) -> "Program":
        """The same file by another name: some act by the name that they are called by."""
        path = self.path.with_name(name)
        if not path.exists():
            path.symlink_to(self.path.name)
        return Program(path, self.environment)


def program(package: str, path: str) -> Program:
    """The program at `path` of a package; skips the test where no package can be fetched."""
    root = _HOME / package
    found = Program(root / path, {"LD_LIBRARY_PATH": library_path(root)})
    if not _runs(found):
        try:
            unpack(package, path, _HOME, lambda: _runs(found))
        except Unreachable as error:
            pytest.skip(f"no {package} here: {error}")
        found = Program(root / path, {"LD_LIBRARY_PATH": library_path(root)})
    return found


def _runs(found: Program) -> bool:
    if not found.path.exists():
        return False
    environment = {**os.environ, "LD_LIBRARY_PATH": library_path(_HOME / found.path.relative_to(_HOME).parts[0])}
    done = subprocess.run([found.path, "--version"], env=environment, capture_output=True, check=False)
    return done.returncode in (0, 1)  # 127: a library is missing
