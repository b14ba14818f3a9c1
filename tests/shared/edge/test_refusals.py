"""Anonymous traffic makes us write little, and what it did is not forgotten."""

from typing import Any

import anyio
import pytest

from shared.core.errors import Unavailable
from shared.edge import refusals as counting
from shared.edge.refusals import Refusals

pytestmark = pytest.mark.anyio


class Kept:
    """A sink that can be away."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.away = False

    async def write(self, record: dict[str, Any]) -> None:
        if self.away:
            raise Unavailable("away")
        self.records.append(record)

    def counted(self) -> dict[str, int]:
        return {found["source"]: found["count"] for record in self.records for found in record["refusals"]}


async def test_sources_beyond_a_bound_are_counted_together_for_each_reason() -> None:
    most = counting._SOURCES_MAX  # pyright: ignore[reportPrivateUsage]
    sink = Kept()
    refusals = Refusals(sink)
    for number in range(3000):
        refusals.count("customers", "missing", f"10.0.{number // 256}.{number % 256}")
    refusals.count("customers", "expired", "192.0.2.1")
    await refusals.flush()
    (record,) = sink.records
    assert len(record["refusals"]) == most + 2
    assert sum(found["count"] for found in record["refusals"]) == 3001
    others = {found["reason"]: found["count"] for found in record["refusals"] if found["source"] == "others"}
    assert others == {"missing": 3000 - most, "expired": 1}


async def test_counts_outlive_a_store_that_is_away() -> None:
    sink = Kept()
    refusals = Refusals(sink)
    refusals.count("customers", "missing", "192.0.2.1")
    sink.away = True
    await refusals.flush()
    refusals.count("customers", "missing", "192.0.2.1")
    refusals.count("customers", "missing", None)
    sink.away = False
    await refusals.flush()
    assert sink.counted() == {"192.0.2.1": 2, "unknown": 1}


async def test_nothing_is_written_when_nothing_was_refused() -> None:
    sink = Kept()
    await Refusals(sink).flush()
    assert sink.records == []


async def test_what_was_counted_is_written_when_the_process_ends() -> None:
    sink = Kept()
    refusals = Refusals(sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refusals.run)
        await anyio.wait_all_tasks_blocked()
        refusals.count("customers", "missing", "192.0.2.1")
        tasks.cancel_scope.cancel()
    assert sink.counted() == {"192.0.2.1": 1}


async def test_what_was_counted_is_written_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_FLUSH_S", 0)
    sink = Kept()
    refusals = Refusals(sink)
    refusals.count("customers", "missing", "192.0.2.1")
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(refusals.run)
            while not sink.records:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert sink.counted() == {"192.0.2.1": 1}
