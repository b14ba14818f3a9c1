"""How long a client over stdio waits for each server, and what the process holds then:

    python -m tests.bench.starts [TIMES]

Medians, with the embedded PostgreSQL to be started each time. CPU is what the process itself used until the list, which
a busy machine distorts less than the wait.
"""

import asyncio
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import anyio

import servers
from tests.bench.machine import resident_mb
from tests.clients.wire import COMMAND, Wire

_TICKS = os.sysconf("SC_CLK_TCK")


async def start(server: str, folder: Path) -> tuple[float, float, float]:
    """Seconds to the first list, CPU seconds of the process until then, and its MB."""
    began = time.perf_counter()
    with (folder / "stdio.txt").open("wb") as log:
        command = [COMMAND[0], "serve", server, "--stdio"]
        process = await anyio.open_process(command, stderr=log, env={"SUITE_DATA_DIR": str(folder)})
    wire = Wire(process, folder / "stdio.txt", "legacy")
    await wire.greet()
    await wire.ask("tools/list", {}, 2)
    waited = time.perf_counter() - began
    used = _cpu_s(process.pid)
    held = resident_mb(process.pid) or float("nan")
    await wire.hang_up(60)
    return waited, used, held


def _cpu_s(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    return float("nan")


async def main(times: int) -> None:
    with tempfile.TemporaryDirectory() as made:
        for server in servers.over_mcp():
            await start(server.name, Path(made))  # the first makes the database and its tables
            found = [await start(server.name, Path(made)) for _ in range(times)]
            waited, used, held = (median(column) for column in zip(*found, strict=True))
            sys.stdout.write(f"{server.name:10} {waited:5.2f} s to the first list, {used:.2f} s CPU, {held:.0f} MB\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
