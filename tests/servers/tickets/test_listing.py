"""What can be listed and completed: queues and ids, of one's own tenant."""

from typing import Any
from uuid import uuid4

import pytest
from mcp_types import ResourceTemplateReference

from servers.tickets.demo import TICKETS
from servers.tickets.demo_words import QUEUES
from tests.harness import ERAS, Suite
from tests.servers.tickets.desk import Desk

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]

MANY = 130
"""Queues; a page has 100."""
FILL = """
INSERT INTO tickets.queues (tenant_id, name, title) SELECT 'globex', $1 || '-' || n, 'Q'
FROM generate_series(1, $2::int) AS n
"""


async def listed(client: Any) -> list[str]:
    page = await client.list_resources()
    uris = [str(resource.uri) for resource in page.resources]
    while page.next_cursor is not None:
        page = await client.list_resources(cursor=page.next_cursor)
        uris += [str(resource.uri) for resource in page.resources]
    return uris


async def test_every_queue_of_the_tenant_is_listed_by_name_once(suite: Suite, era: str) -> None:
    word = f"q{uuid4().hex[:8]}"
    await suite.sql(FILL, word, MANY)
    async with suite.connect("outsider", era, "tickets") as client:
        uris = await listed(client)
        name = ResourceTemplateReference(uri="queue://{name}")
        completed = (await client.complete(name, {"name": "name", "value": word.upper()})).completion
        assert (completed.has_more, len(completed.values)) == (True, 100)
        assert completed.values == sorted(f"{word}-{n}" for n in range(1, MANY + 1))[:100]
    assert uris == sorted(uris)
    assert sum(f"/{word}-" in uri for uri in uris) == MANY
    async with suite.connect("approver", era, "tickets") as client:
        assert await listed(client) == [f"queue://{name}" for name in sorted(QUEUES)]
        assert (await client.complete(name, {"name": "name", "value": word})).completion.values == []


async def test_ids_are_completed_from_how_they_begin(suite: Suite, era: str) -> None:
    theirs = (await Desk(suite, "outsider").ticket())["id"]
    template = ResourceTemplateReference(uri="ticket://{id}")
    async with suite.connect("approver", era, "tickets") as client:

        async def completed(value: str) -> Any:
            return (await client.complete(template, {"name": "id", "value": value})).completion

        assert (await completed("t-00001")).values == [f"T-00001{n}" for n in range(10)]
        assert (await completed("T-000")).has_more is (TICKETS > 100)
        for value in ("X", "T-000001x", "%", "T_", "'", theirs[:8], "\U0010ffff"):
            assert (await completed(value)).values == [], value
