"""What is done beside the calls, on record: once, however often a worker tells it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import anyio

from shared.core.errors import Unavailable
from shared.state.database import Database
from shared.steps.audit.entry import Sink, now
from shared.steps.redaction import redact_for_audit

_KNOWN = "SELECT id FROM suite.audit WHERE id = ANY($1)"


async def write_once(database: Database, sink: Sink, server: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Write the records that the audit has not yet, under the ids they were given.

    Two who tell the same at the same time must be kept apart by their caller, who does it with a lease.

    Raises:
        Unavailable: Not all are durable.
    """
    if not records:
        return
    async with database.connection() as connection:
        ids = [UUID(record["id"]) for record in records]
        known = {str(row["id"]) for row in await connection.fetch(_KNOWN, ids)}
    failed: list[Unavailable] = []

    async def write(record: dict[str, Any]) -> None:
        try:
            await sink.write(record)
        except Unavailable as error:
            failed.append(error)

    async with anyio.create_task_group() as tasks:
        for record in records:
            if record["id"] not in known:
                tasks.start_soon(write, _whole(server, record))
    if failed:
        raise failed[0]


def _whole(server: str, record: Mapping[str, Any]) -> dict[str, Any]:
    at: datetime | None = record.get("at")
    actors = list(record.get("actors", ()))
    return {
        "v": 1,
        "kind": "work",
        "server": server,
        "effect": "write",
        "transport": "worker",
        **record,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds") if at else now(),
        "actors": actors,
        "actor": actors[0] if actors else None,
        "facts": redact_for_audit(record.get("facts", {})).value,
    }
