"""How long a client over stdio waits for its first list of tools, and what the process then holds."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import anyio

from shared.state.roles import Urls
from tests.bench.machine import Cores, bind, resident_mb
from tests.clients.wire import wired


@dataclass(frozen=True)
class Startup:
    """Medians.

    Attributes:
        attached_s: To the first `tools/list`, with a PostgreSQL that is there.
        embedded_s: The same, with the machine's own PostgreSQL to be started first.
        resident_mb: Of the process, after the list.
    """

    attached_s: float
    embedded_s: float
    resident_mb: float | None


async def measure(urls: Urls, folder: Path, times: int, cores: Cores) -> Startup:
    data = {"SUITE_DATA_DIR": str(folder), "SUITE_LOG_LEVEL": "WARNING"}
    given = {
        **{"SUITE_DATABASE_URL": urls.app, "SUITE_DATABASE_OWNER_URL": urls.owner},
        "SUITE_DATABASE_READER_URL": urls.reader,
    }
    bind(0, cores.server)  # children start where we are
    try:
        attached = [await _start(data | given, folder) for _ in range(times + 1)][1:]
        embedded = [await _start(data, folder) for _ in range(times + 1)][1:]  # the first makes the database
    finally:
        bind(0, cores.others)
    held = [found for _, found in attached if found is not None]
    return Startup(_middle(attached), _middle(embedded), median(held) if held else None)


async def _start(env: dict[str, str], folder: Path) -> tuple[float, float | None]:
    began = time.perf_counter()
    async with wired(env, folder / "stdio.txt", "legacy") as wire:
        try:
            await wire.greet()
            listed = await wire.ask("tools/list", {}, 2)
        except anyio.IncompleteRead:
            raise RuntimeError(f"it ended before it answered: {wire.log()[-1000:]}") from None
        seconds, held = time.perf_counter() - began, resident_mb(wire.process.pid)
        await wire.hang_up(30)
    if not listed["result"]["tools"]:
        raise RuntimeError(f"no tools: {listed}")
    return seconds, held


def _middle(starts: list[tuple[float, float | None]]) -> float:
    return median(seconds for seconds, _ in starts)
