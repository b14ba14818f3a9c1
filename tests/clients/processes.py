"""Which processes work for a directory, so that a test can say that none is left."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio


def processes_of(folder: Path) -> dict[int, str]:
    """Command lines, by process id, of those that work in `folder`, name it, or have it in their environment."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and _concerns(entry, str(folder)):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def _concerns(entry: Path, folder: str) -> bool:
    if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
        return False
    told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
    return folder.encode() in told or str((entry / "cwd").readlink()).startswith(folder)


async def eventually(holds: Callable[[], Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not happen in {seconds} s"
        await anyio.sleep(0.01)
