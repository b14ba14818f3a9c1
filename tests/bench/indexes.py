"""What it costs the database to store a record of the audit, index by index, in one interleaved run."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from shared.state.database import connect
from shared.steps.audit.chain import COLUMNS, Head, Row, link
from shared.steps.audit.writer import INSERT
from tests.bench.stores import Stores
from tests.bench.trail import RING, template

_BATCH = 100
_BATCHES = 20
_DEFINITIONS = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS sql FROM pg_index
WHERE indrelid = 'suite.audit'::regclass ORDER BY indexrelid
"""
_PID = "SELECT pg_backend_pid()"
_WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"

NONE, ALL, SEARCHED = "no index", "all indexes", "all, ids looked for in each body"


@dataclass(frozen=True)
class Cost:
    """Of one record, to one choice of indexes: medians over the rounds.

    Attributes:
        cpu_us: Processor time of the backend that stores it.
        wal_bytes: What it writes to the log.
    """

    indexes: str
    cpu_us: float
    wal_bytes: float


async def measure(stores: Stores, filled: int, rounds: int) -> list[Cost]:
    """Each choice has a table of its own, filled alike; each round stores the same records in all, in another order."""
    urls = await stores.fresh("bench_indexes")
    admin = await connect(stores.as_admin(urls), "bench")
    try:
        made = _Records(await template())
        tables = await _tables(admin, made, filled)
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in tables}
        chance = random.Random(7)
        for _ in range(rounds):
            batches = [made.batch() for _ in range(_BATCHES)]
            for name in chance.sample(list(tables), len(tables)):
                costs[name].append(await _stored(admin, tables[name], batches, searched=name == SEARCHED))
    finally:
        await admin.close()
    return [Cost(name, *(median(each) for each in zip(*found, strict=True))) for name, found in costs.items()]


async def _tables(admin: Any, made: "_Records", filled: int) -> dict[str, str]:
    """Choice of indexes → its table."""
    every = {row["name"]: row["sql"] for row in await admin.fetch(_DEFINITIONS)}
    without = {f"without {name.removeprefix('suite.')}": every.keys() - {name} for name in every}
    choices = {NONE: set[str](), ALL: every.keys(), SEARCHED: every.keys(), **without}
    await admin.execute("SET maintenance_work_mem = '256MB'; CREATE TABLE filled (LIKE suite.audit)")
    for _ in range(filled // _BATCH):
        await admin.copy_records_to_table("filled", columns=COLUMNS, records=made.batch())
    tables = {name: f"t{number}" for number, name in enumerate(choices)}
    for name, table in tables.items():
        await admin.execute(f"CREATE TABLE {table} (LIKE suite.audit); INSERT INTO {table} SELECT * FROM filled")
        for number, index in enumerate(sorted(choices[name])):
            await admin.execute(_elsewhere(every[index], index, f"{table}_{number}", table))
    await admin.execute("VACUUM ANALYZE")
    await admin.execute("CHECKPOINT")
    return tables


def _elsewhere(definition: str, index: str, name: str, table: str) -> str:
    """The same index on another table, by another name."""
    definition = definition.replace(f" {index.removeprefix('suite.')} ON suite.audit ", f" {name} ON {table} ")
    if f" {name} ON {table} " not in definition:
        raise AssertionError(f"not understood: {definition}")
    return definition


async def _stored(admin: Any, table: str, batches: Sequence[Sequence[Row]], *, searched: bool) -> tuple[float, float]:
    insert = INSERT.replace("suite.audit", table)
    usage = Path(f"/proc/{await admin.fetchval(_PID)}/schedstat")
    rows = [[_unnamed(row) for row in batch] if searched else batch for batch in batches]
    given = [[list(column) for column in zip(*batch, strict=True)] for batch in rows]
    wal, cpu = await admin.fetchval(_WAL), _cpu_us(usage)
    for columns in given:
        await admin.execute(insert, *columns)
    records = len(batches) * _BATCH
    used = _cpu_us(usage) - cpu
    return used / records, float(await admin.fetchval(_WAL) - wal) / records


def _cpu_us(usage: Path) -> float:
    return int(usage.read_text().split()[0]) / 1000


def _unnamed(row: Row) -> Row:
    """The record without what it names, as releases before 0.2.0 wrote it."""
    place = COLUMNS.index("body")
    return (*row[:place], b"{" + row[place].split(b",", 1)[1], *row[place + 1 :])


class _Records:
    """Records of four tenants in one chain, no two alike in what is unlike in life."""

    def __init__(self, like: Mapping[str, Any]) -> None:
        self._like = like
        self._head = Head(uuid4())
        self._chance = random.Random(42)
        self._at = datetime(2026, 6, 1, tzinfo=UTC)

    def batch(self) -> list[Row]:
        rows: list[Row] = []
        for record in self._records():
            row, self._head = link(self._head, record, RING)
            rows.append(row)
        return rows

    def _records(self) -> Iterator[dict[str, Any]]:
        chance = self._chance
        for number in range(_BATCH):
            self._at += timedelta(milliseconds=20)
            yield {
                **self._like,
                **{"id": str(uuid4()), "at": self._at.isoformat(timespec="microseconds")},
                "intent": str(uuid4()) if number % 10 == 0 else None,
                "tenant": chance.choice(("acme", "globex", "initech", "umbrella")),
                "subject": f"user-{chance.randrange(500)}",
                "actor": "agent" if number % 5 == 0 else None,
                "target": chance.choice(("get_customer", "search_customers", "get_ticket", "list_orders")),
                "outcome": "ok" if number % 20 else "forbidden",
                "arguments": {"customer_id": f"C-{chance.randrange(100_000):06}"},
                **{"request_id": f"req_{chance.getrandbits(64):016x}", "trace_id": f"{chance.getrandbits(128):032x}"},
            }
