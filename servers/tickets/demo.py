"""Demo data: a service desk for one tenant, a few tickets for the other. Some are late, some are the same, and one
tries to give a model orders. The same rows at every start, but for their times.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from servers.tickets.demo_words import CASES, LETTER, QUEUES, REQUESTERS, Case
from servers.tickets.due import Priority, due
from servers.tickets.marks import marks
from servers.tickets.workflow import Status
from shared.state.database import SET_CALLER, connect

TICKETS = 120
_HOSTILE = 7
_AGENTS = ("acme-support-agent", "acme-sales-manager", None)
_STATUSES = (
    *(Status.NEW, Status.NEW, Status.OPEN, Status.OPEN, Status.OPEN, Status.WAITING, Status.ON_HOLD),
    *(Status.RESOLVED, Status.RESOLVED, Status.CLOSED),
)
_FINISHED = frozenset({Status.RESOLVED, Status.CLOSED})
_HOUR = timedelta(hours=1)

_TICKET = """
INSERT INTO tickets.tickets (
    id, type, title, body, priority, status, queue, assignee, requester_name, requester_email, customer_id, due_at,
    labels, watchers, resolution, resolved_at, created_by, created_at, updated_at, marks
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '{}', $14, $15, $16, $17, $18, $19)
"""
_HISTORY = """
INSERT INTO tickets.history (ticket_id, version, act, by_subject, at, before, after)
SELECT id, 1, 'create', created_by, created_at, '{}', to_jsonb(t) - ARRAY[
    'tenant_id', 'id', 'created_by', 'version', 'created_at', 'updated_at', 'marks', 'words'
] FROM tickets.tickets AS t WHERE tenant_id = current_setting('app.tenant')
"""
# The owner is a member of suite_search, who sees the tickets of all tenants.
_COMMENT = """
INSERT INTO tickets.comments (id, ticket_id, text, internal, author, created_at) VALUES ($1, $2, $3, $4, $5, $6)
"""


async def seed(owner_url: str) -> None:
    """Fill the tables; does nothing where a tenant has queues already.

    Args:
        owner_url: `postgresql://…` of the owner of the tables, who is under row-level security like all others.
    """
    connection = await connect(owner_url, "demo")
    try:
        for tenant, count in {"acme": TICKETS, "globex": 5}.items():
            async with connection.transaction():
                await connection.execute("LOCK TABLE tickets.queues IN SHARE ROW EXCLUSIVE MODE")
                await connection.execute(SET_CALLER, tenant, "{internal}")
                if not await connection.fetchval("SELECT EXISTS (SELECT FROM tickets.queues)"):
                    await _fill(connection, tenant, count)
        await connection.execute("ANALYZE tickets.tickets, tickets.comments")
    finally:
        await connection.close()


async def _fill(connection: Any, tenant: str, count: int) -> None:
    await connection.executemany("INSERT INTO tickets.queues (name, title) VALUES ($1, $2)", [*QUEUES.items()])
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [_ticket(tenant, number, now) for number in range(1, count + 1)]
    await connection.executemany(_TICKET, [[*row.values()] for row in rows])
    await connection.execute(_HISTORY)
    await connection.executemany(_COMMENT, [comment for row in rows for comment in _comments(row)])


def _ticket(tenant: str, number: int, now: datetime) -> Mapping[str, Any]:
    case = CASES[number % len(CASES)]
    status = _STATUSES[number % len(_STATUSES)]
    created = now - _HOUR * (number * 5 % 240 + 1)
    requester = REQUESTERS[number % len(REQUESTERS)]
    resolved = created + 3 * _HOUR if status in _FINISHED else None
    priority = Priority(case.priority)
    row: dict[str, Any] = {
        "id": f"T-{number:06}",
        "type": case.type,
        "title": case.title.format(number=number),
        "body": _body(case, number),
        "priority": priority,
        "status": status,
        "queue": case.queue,
        "assignee": None if status is Status.NEW else (_AGENTS[number % 2] if tenant == "acme" else "globex-admin"),
        "requester_name": requester[0],
        "requester_email": requester[1],
        "customer_id": f"C-{number % 150 + 1:06}",
        "due_at": due(priority, created),
        "labels": sorted(case.labels),
        "resolution": case.resolution if resolved else None,
        "resolved_at": resolved,
        "created_by": "acme-support-agent" if tenant == "acme" else "globex-admin",
        "created_at": created,
        "updated_at": resolved or created + _HOUR,
    }
    return {**row, "marks": marks(tenant, {**row, "watchers": []})}


def _body(case: Case, number: int) -> str:
    return LETTER if number == _HOSTILE else case.body.format(number=number)


def _comments(row: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """What was said: to the requester, and about the requester."""
    if row["status"] == Status.NEW:
        return []
    number = row["id"].removeprefix("T-")
    said = [("Thank you for writing. We are looking into it.", False), ("Same as last week; see the handbook.", True)]
    return [
        (f"TC-{number}{place}", row["id"], text, internal, row["assignee"], row["created_at"] + _HOUR)
        for place, (text, internal) in enumerate(said)
    ]
