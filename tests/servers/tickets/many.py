"""A thousand tickets, and somebody who changes them all and says yes when asked."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx

from tests.harness import Suite, modern, modern_headers

Sql = Callable[..., Awaitable[list[Any]]]
"""Runs a statement as an administrator: `Suite.sql`, or `fetch` of a connection."""

ABLE: dict[str, Any] = {"elicitation": {"form": {}}}
YES = {"action": "accept", "content": {"confirmed": True}}
NO = {"action": "accept", "content": {"confirmed": False}}
STANDING = """
SELECT t.id, version, status, priority, queue, assignee, labels, resolution, resolved_at, due_at, merged_into,
    (SELECT count(*) FROM tickets.history h WHERE (h.tenant_id, h.ticket_id) = (t.tenant_id, t.id)) AS entries
FROM tickets.tickets t WHERE t.tenant_id = 'acme' AND t.id = ANY($1) ORDER BY t.id
"""


async def copies(sql: Sql, ticket_id: str, number: int, prefix: str) -> list[str]:
    """So many tickets like the one given, each made a second before the next; their history begins there."""
    columns = await sql(
        "SELECT column_name AS name FROM information_schema.columns"
        " WHERE table_schema = 'tickets' AND table_name = 'tickets' AND is_generated = 'NEVER'"
    )
    values = {"id": "$2 || '-' || lpad(n::text, 6, '0')", "version": "1"}
    values |= {name: f"{name} - make_interval(secs => n)" for name in ("created_at", "due_at")}
    names: list[str] = [row["name"] for row in columns]
    await sql(
        f"INSERT INTO tickets.tickets ({', '.join(names)})"
        f" SELECT {', '.join(values.get(name, name) for name in names)}"
        " FROM tickets.tickets, generate_series(1, $3) AS n WHERE tenant_id = 'acme' AND id = $1",
        ticket_id,
        prefix,
        number,
    )
    made = await sql(
        "INSERT INTO tickets.history (tenant_id, ticket_id, version, act, by_subject, before, after)"
        " SELECT tenant_id, id, 1, 'create', created_by, '{}', to_jsonb(t) FROM tickets.tickets t WHERE id LIKE $1"
        " RETURNING ticket_id",
        f"{prefix}-%",
    )
    await sql("ANALYZE tickets.tickets, tickets.history")
    return sorted(row["ticket_id"] for row in made)


async def standing(suite: Suite, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """How these tickets stand now."""
    return {row["id"]: dict(row.items()) for row in await suite.sql(STANDING, ids)}


async def confirmed(
    url: str, token: str, arguments: Mapping[str, Any], said: Mapping[str, Any] = YES, tool: str = "bulk_update_tickets"
) -> dict[str, Any]:
    """The answer of a call, whose question, if there is one, is answered so."""
    params: dict[str, Any] = {"name": tool, "arguments": dict(arguments)}
    async with httpx.AsyncClient(timeout=60) as http:
        result = await _sent(http, url, token, params)
        if result.get("resultType") == "input_required":
            [key] = result["inputRequests"]
            again = {**params, "requestState": result["requestState"], "inputResponses": {key: said}}
            result = await _sent(http, url, token, again)
    return result.get("structuredContent", result)


async def _sent(http: httpx.AsyncClient, url: str, token: str, params: Mapping[str, Any]) -> dict[str, Any]:
    body = modern("tools/call", dict(params))
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = ABLE
    headers = modern_headers("tools/call", dict(params)) | {"Authorization": f"Bearer {token}"}
    answer = (await http.post(url, json=body, headers=headers)).json()
    return answer["result"] if "result" in answer else {"error": answer["error"]["data"]}
