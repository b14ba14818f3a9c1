"""How fast `mcp-suite documents ingest` takes a folder in, and how much memory it needs for that."""

import asyncio
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.documents.corpus import document
from tests.bench.documents.library import TENANT
from tests.bench.documents.memory import Peak, watching
from tests.bench.stores import ROOT
from tests.bench.targets import Target
from tests.processes import COMMAND

INGESTED = "bench-ingested"
"""The collection; forgotten at the end of a run."""
_FIRST = 5_000_000
"""These documents are none of the library's."""


@dataclass(frozen=True)
class Ingested:
    """What a first and a second run over the same folder came to.

    Attributes:
        seconds: Of the first, from the look into the folder to the last commit.
        again_s: Of the second, which finds nothing changed.
        whole_s: Of the first, with the start of the command.
        peak: Of the command's memory, with its worker processes.
    """

    files: int
    bytes: int
    seconds: float
    again_s: float
    whole_s: float
    peak: Peak


async def measure(target: Target, folder: Path, files: int) -> Ingested:
    """Ingest so many generated files into the database of a target, which need not run."""
    root = folder / "files"
    size = await asyncio.to_thread(_write, root, files)
    began = time.perf_counter()
    async with asyncio.timeout(1800):
        first, peak = await _run(target, folder, root)
        whole_s = time.perf_counter() - began
        second, _ = await _run(target, folder, root)
    if first["counts"]["added"] != files or second["counts"]["unchanged"] != files:
        raise AssertionError(f"not what was to be ingested: {first['counts']}, {second['counts']}")
    return Ingested(files, size, first["seconds"], second["seconds"], whole_s, peak)


def _write(root: Path, files: int) -> int:
    written = 0
    for number in range(_FIRST, _FIRST + files):
        made = document(number)
        path = root / made.collection / made.path
        path.parent.mkdir(parents=True, exist_ok=True)
        written += path.write_bytes(made.prepared.content)
    return written


async def _run(target: Target, folder: Path, root: Path) -> tuple[dict[str, Any], Peak]:
    told = folder / "report.json"
    command = [COMMAND, "documents", "ingest", root, "--collection", INGESTED, "--tenant", TENANT, "--report", told]
    with target.log.open("ab") as log:
        running = subprocess.Popen(command, cwd=ROOT, env=target.surroundings, stdout=log, stderr=log)  # noqa: ASYNC220 - starting is quick
        try:
            async with watching(running.pid) as peak:
                code = await asyncio.to_thread(running.wait)
        finally:
            if running.poll() is None:
                running.kill()
                running.wait()
    if code:
        raise AssertionError(f"the ingest failed: {target.log.read_text()[-1000:]}")
    return json.loads(told.read_bytes()), peak
