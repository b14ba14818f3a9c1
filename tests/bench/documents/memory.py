"""How much memory a process takes while something happens."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.bench.machine import family, resident_mb

_EVERY_S = 0.02


@dataclass
class Peak:
    """Resident memory of a process and its children, in MB (10^6 bytes); 0 where the system does not say."""

    before_mb: float = 0
    peak_mb: float = 0

    @property
    def grown_mb(self) -> float:
        return self.peak_mb - self.before_mb


@asynccontextmanager
async def watching(process_id: int) -> AsyncGenerator[Peak]:
    """Looks again and again as long as the context lasts."""
    first = _held_mb(process_id)
    peak = Peak(first, first)

    async def look() -> None:
        while True:
            peak.peak_mb = max(peak.peak_mb, _held_mb(process_id))
            await asyncio.sleep(_EVERY_S)

    looking = asyncio.create_task(look())
    try:
        yield peak
    finally:
        looking.cancel()


def _held_mb(process_id: int) -> float:
    return sum(resident_mb(each) or 0 for each in family(process_id))
