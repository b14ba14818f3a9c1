"""The plans PostgreSQL makes for the server's own statements at 20,000 tickets, under row-level security.

What the search function asks inside is counted, too.
"""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from servers.tickets.finding import RANKED_MAX
from servers.tickets.rights import rights
from servers.tickets.server import server
from shared.core.caller import Caller
from shared.core.settings import Settings
from shared.core.tool import Call
from shared.state.cursors import SealedCursors
from shared.state.database import Database, connect, open_database
from shared.state.keys import KeyRing
from tests.harness import Databases
from tests.plans import Explaining, nodes, removed, sequential

pytestmark = pytest.mark.anyio

TICKETS = 20_000
FILL = """
WITH made AS (
    SELECT n, CASE WHEN n % 3 = 0 THEN 'globex' ELSE 'acme' END AS tenant,
        (ARRAY['billing', 'outages', 'returns', 'support'])[n % 4 + 1] AS queue,
        (ARRAY['new', 'open', 'waiting', 'on_hold', 'closed', 'closed', 'closed'])[n % 7 + 1] AS status,
        (ARRAY['low', 'normal', 'high', 'urgent'])[n % 11 % 4 + 1] AS priority,
        CASE WHEN n % 5 > 0 THEN 'agent-' || n % 50 END AS assignee,
        ARRAY['kind-' || n % 500] AS labels,
        'word' || n % 997 || ' common ' || CASE WHEN n % 2 = 0 THEN 'half' ELSE 'other' END AS body
    FROM generate_series(1, $1::int) AS n
)
INSERT INTO tickets.tickets (tenant_id, id, type, title, body, priority, status, queue, assignee, customer_id, due_at,
    labels, watchers, resolved_at, created_by, updated_at, marks)
SELECT tenant, 'T-P' || lpad(n::text, 8, '0'), 'request', 'Ticket of ' || n % 1000, body, priority, status, queue,
    assignee, 'C-' || lpad((n % 3000)::text, 6, '0'), now() + (n % 100 - 50) * interval '1 hour', labels,
    ARRAY['agent-' || n % 77],
    CASE WHEN status = 'closed' THEN now() END, 'creator-' || n % 200, now() - n * interval '1 minute',
    ARRAY['tenant:' || tenant, 'queue:' || queue, 'status:' || status, 'type:request', 'priority:' || priority,
        coalesce('assignee:' || assignee, 'unassigned'), 'customer:C-' || lpad((n % 3000)::text, 6, '0'),
        'label:' || labels[1], 'watcher:agent-' || n % 77]
FROM made
"""
SEARCHES: dict[str, dict[str, Any]] = {
    "rare": {"query": "word7"},
    "common": {"query": "common"},
    "two": {"query": "half word8"},
    "phrase": {"query": '"word9 common"'},
    "without": {"query": "common -half"},
    "either": {"query": "word10 or word11"},
    "nothing": {"query": "nothingness"},
    "common, filtered": {"query": "common", "queue": "billing", "status": ["new"], "assignee": "agent-4"},
    "common, unassigned": {"query": "common", "unassigned": True},
}
LISTS: dict[str, dict[str, Any]] = {
    "all": {},
    "queue": {"queue": "billing"},
    "assignee": {"assignee": "agent-3"},
    "customer": {"customer_id": "C-000007"},
    "label": {"label": "kind-7"},
    "label and status": {"label": "kind-7", "status": ["open"]},
}
READ_MAX = 3 * RANKED_MAX


def caller(tenant: str, subject: str = "agent-3") -> Caller:
    scopes = Caller.granted("tickets:read tickets:internal")
    return Caller(subject, "https://idp.example", "client", tenant, scopes, frozenset(["support"]))


@pytest.fixture(scope="module")
async def database(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Database]:
    urls = await databases.fresh()
    url = urlsplit(databases.admin_url)._replace(path=urlsplit(urls.app).path).geturl()
    admin = await connect(url, "test")
    try:
        await admin.execute("SET session_replication_role = replica")  # foreign keys would take most of the time
        await admin.execute(FILL, TICKETS)
        await admin.execute("VACUUM (ANALYZE) tickets.tickets")
    finally:
        await admin.close()
    settings = Settings(data_dir=Path(tmp_path_factory.mktemp("data")), pool_min=1, pool_max=2)
    async with open_database(urls.app, settings) as opened:
        yield opened


@pytest.fixture(params=["force_custom_plan", "force_generic_plan"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


async def ask(database: Database, mode: str, who: Caller, name: str, /, **arguments: Any) -> tuple[Any, Explaining]:
    """The answer of a tool, and how its statements were planned."""
    others = [*(resource.tool for resource in server.tools.resources.values()), *server.tools.completions.values()]
    [tool] = [each for each in (*server.tools.tools.values(), *others) if each.name == name]
    explaining = Explaining(database, who.tenant, mode, "tickets", rights(who))
    call = Call(who, explaining, SealedCursors(KeyRing([b"k" * 32]), who, name), "request")
    return await tool.run(call, tool.parse(arguments)), explaining


def assert_indexed(explaining: Explaining) -> None:
    assert explaining.plans
    assert "tickets" not in explaining.scans, "a table read from end to end, maybe inside of a function"
    for plan in explaining.plans:
        assert "tickets" not in sequential(plan)
        assert removed(plan) < READ_MAX


@pytest.mark.parametrize("tenant", ["acme", "globex"])
@pytest.mark.parametrize("kind", SEARCHES)
async def test_a_search_by_words_uses_the_index_of_words(database: Database, mode: str, kind: str, tenant: str) -> None:
    found, explaining = await ask(database, mode, caller(tenant), "search_tickets", **SEARCHES[kind])
    assert_indexed(explaining)
    assert explaining.scans["by_words"] >= 1
    assert bool(found.tickets) == (kind != "nothing")
    assert found.total <= RANKED_MAX


@pytest.mark.parametrize("kind", LISTS)
async def test_a_page_is_read_in_the_order_of_an_index(database: Database, mode: str, kind: str) -> None:
    found, explaining = await ask(database, mode, caller("acme"), "search_tickets", **LISTS[kind])
    assert found.tickets
    assert_indexed(explaining)
    if found.next_cursor:
        _, explaining = await ask(
            database, mode, caller("acme"), "search_tickets", **LISTS[kind], cursor=found.next_cursor
        )
        assert_indexed(explaining)


OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "get": ("get_ticket", {"ticket_id": "T-P00000007", "history": True}),
    "get many": ("get_tickets", {"ticket_ids": [f"T-P{n:08}" for n in range(1, 101)]}),
    "similar": ("suggest_similar", {"text": "word7 common nothingness"}),
    "mine": ("list_my_tickets", {"finished": True}),
    "created": ("list_my_tickets", {"role": "created", "finished": True}),
    "watching": ("list_my_tickets", {"role": "watching", "finished": True}),
    "complete": ("complete_ticket_id", {"value": "T-P00001"}),
}


@pytest.mark.parametrize("kind", OTHERS)
async def test_nothing_else_reads_all_tickets(database: Database, mode: str, kind: str) -> None:
    name, arguments = OTHERS[kind]
    _, explaining = await ask(database, mode, caller("acme"), name, **arguments)
    assert_indexed(explaining)


async def test_the_next_due_of_a_queue_are_read_from_their_index(database: Database, mode: str) -> None:
    standing, explaining = await ask(database, mode, caller("acme"), "read_queue", name="billing")
    *_, following = explaining.plans
    assert len(standing.next_due) == 20
    assert explaining.scans["unfinished"] >= 1
    assert removed(following) == 0
    assert following["Actual Rows"] == 20
    assert "Sort" not in {node["Node Type"] for node in nodes(following)}
