"""Kill -9 in the middle of a bulk of 1,000: whoever repeats the call has each ticket changed once."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from shared.state.database import connect
from shared.state.keys import load_keys
from shared.steps.audit.verify import verify
from tests.harness import Databases
from tests.processes import Process, process
from tests.servers.tickets.many import confirmed, copies

pytestmark = pytest.mark.anyio

HALFWAY = """
CREATE FUNCTION tickets.halfway() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END $$;
CREATE TRIGGER halfway BEFORE INSERT ON tickets.history FOR EACH ROW
    WHEN (NEW.ticket_id = 'KILL-000500') EXECUTE FUNCTION tickets.halfway();
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
"""
CHANGED = "SELECT count(*) FROM tickets.history WHERE ticket_id LIKE 'KILL-%' AND version > 1"
OPEN_INTENTS = """
SELECT count(*) FROM suite.audit i WHERE kind = 'intent' AND NOT EXISTS (
    SELECT FROM suite.audit o WHERE o.intent = i.id AND o.kind IN ('outcome', 'recovered'))
"""


async def test_a_thousand_tickets_each_change_once_though_the_process_is_killed_halfway(
    databases: Databases, tmp_path: Path
) -> None:
    urls = await databases.fresh()
    url = urlsplit(databases.admin_url)._replace(path=urlsplit(urls.app).path).geturl()
    admin, holder = await connect(url, "drill"), await connect(url, "drill")
    async with process(urls, tmp_path, "tickets") as running:
        await running.start()
        ids = await _a_thousand(running, admin)
        key = {"idempotency_key": "bulk-of-a-thousand"}
        arguments = {"ticket_ids": ids, "changes": {"priority": "high", "add_labels": ["swept"]}, "count": 1000, **key}
        await admin.execute(HALFWAY)
        async with anyio.create_task_group() as tasks, holder.transaction():
            await holder.execute("SELECT pg_advisory_xact_lock(7)")
            tasks.start_soon(_lost, running, arguments)
            await _until(admin, WAITING, 1)  # all are changed, half of the history is written, nothing is committed
            assert running.end(signal.SIGKILL) == -signal.SIGKILL
            assert await admin.fetchval(CHANGED) == 0
        # What PostgreSQL still has of it ends by itself: nobody is there to commit it.
        await running.start()
        answer = await _asked(running, arguments)
        assert answer.get("count") == 1000, answer
        assert await _asked(running, arguments) == answer
        running.end(signal.SIGTERM)
    await _require_once(admin, ids)
    report = await verify(admin, load_keys(running.settings).audit)
    assert (report.problems, report.chains) == ([], 2)
    assert await admin.fetchval(OPEN_INTENTS) == 0
    await admin.close()
    await holder.close()


async def _require_once(admin: Any, ids: Sequence[str]) -> None:
    counts = (
        "SELECT version, (SELECT count(*) FROM tickets.history WHERE ticket_id = t.id) AS entries, priority, labels"
    )
    rows = await admin.fetch(f"{counts} FROM tickets.tickets t WHERE id = ANY($1)", ids)
    assert len(rows) == 1000
    assert {(row["version"], row["entries"], row["priority"], *row["labels"]) for row in rows} == {
        (2, 2, "high", "swept")
    }
    assert await admin.fetchval("SELECT count(*) FROM tickets.changes") == 1


async def _a_thousand(running: Process, admin: Any) -> list[str]:
    fields = {"type": "question", "title": "How", "queue": "support"}
    token = running.provider().mint("manager", running.address.resource)
    made = await confirmed(running.address.resource, token, fields, tool="create_ticket")

    return await copies(admin.fetch, made["ticket"]["id"], 1000, "KILL")


async def _asked(running: Process, arguments: dict[str, Any]) -> dict[str, Any]:
    """The answer; a process that has just started may ask for a moment."""
    token = running.provider().mint("manager", running.address.resource)
    with anyio.fail_after(30):
        while True:
            answer = await confirmed(running.address.resource, token, arguments)
            if answer.get("error", {}).get("code") != "shed":
                return answer
            await anyio.sleep(0.1)


async def _lost(running: Process, arguments: dict[str, Any]) -> None:
    with pytest.raises(httpx.TransportError):
        await _asked(running, arguments)


async def _until(admin: Any, statement: str, wanted: int) -> None:
    with anyio.fail_after(30):
        while await admin.fetchval(statement) != wanted:
            await anyio.sleep(0.01)
