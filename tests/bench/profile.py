"""Where the time of `get_customer` goes, all controls on, under full load."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import servers
from tests.bench import asks
from tests.bench.cases import READER, Databases
from tests.bench.load import press
from tests.bench.machine import Cores
from tests.bench.nulls import Control
from tests.bench.targets import Makers

_SECONDS = 6.0
_LEAST = 0.01


@dataclass(frozen=True)
class Share:
    """A part of the processor time, and whose it is: a file of ours or a library."""

    where: str
    part: float


async def profile(makers: Makers, databases: Databases, cores: Cores) -> Sequence[Share]:
    """The largest shares first, the small ones left out."""
    customers = servers.load("customers")
    target = makers.assembled("profiled", customers, databases.small, READER, {*Control})
    token = target.token or ""
    into = target.log.with_name("profile.json")
    target = replace(target, environment=target.environment | {"BENCH_PROFILE": str(into)})
    reads = asks.reads(target.port, token, databases.small_count // 2)
    async with target.running(next(reads()), cores):
        await press(target.ports, reads, 32, _SECONDS, 0.5)
    met: list[tuple[str, int]] = json.loads(into.read_text())
    whole = sum(count for _, count in met)
    return [Share(where, count / whole) for where, count in met if count / whole >= _LEAST]
