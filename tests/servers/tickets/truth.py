"""What must be so of all tickets, whatever was done to them: read from the database, as an administrator sees it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast

import orjson

from tests.harness import Suite
from tests.servers.tickets.many import Sql
from tests.servers.tickets.model import ALLOWED, OTHER_END, UNFINISHED, State

FIELDS = (
    *("type", "title", "body", "priority", "status", "queue", "assignee", "requester_name", "requester_email"),
    *("customer_id", "due_at", "labels", "watchers", "links", "attachments", "resolution", "resolved_at"),
    "merged_into",
)
MAY_CHANGE = {
    "create": set(FIELDS),
    "update": {*FIELDS[:4], "queue", *FIELDS[7:13], "attachments"},
    "assign": {"assignee"},
    "transition": {"status", "resolution", "resolved_at"},
    "link": {"links"},
    "unlink": {"links"},
    "merge": {*FIELDS[7:10], "labels", "watchers", "links", "attachments", "status", "resolved_at", "merged_into"},
    "bulk_update": {"priority", "due_at", "queue", "assignee", "labels", "status", "resolution", "resolved_at"},
    "undo": set(FIELDS),
}
TICKETS = "SELECT tenant_id, id, created_at, version, marks, to_jsonb(t) AS fields FROM tickets.tickets t"
HISTORY = (
    "SELECT *, before::text AS was, after::text AS became FROM tickets.history ORDER BY tenant_id, ticket_id, version"
)
OTHERS = """
SELECT md5(string_agg(line, '|' ORDER BY line)) AS digest FROM (
    SELECT t::text AS line FROM tickets.tickets t WHERE tenant_id <> $1 UNION ALL
    SELECT c::text FROM tickets.comments c WHERE tenant_id <> $1 UNION ALL
    SELECT h::text FROM tickets.history h WHERE tenant_id <> $1 UNION ALL
    SELECT g::text FROM tickets.changes g WHERE tenant_id <> $1
) all_of_it
"""


async def require_sound(suite: Suite) -> None:
    """Look at each ticket there is."""
    rows = {(row["tenant_id"], row["id"]): row for row in await suite.sql(TICKETS)}
    now = {key: orjson.loads(row["fields"]) for key, row in rows.items()}
    undone = {row["id"] for row in await suite.sql("SELECT id FROM tickets.changes WHERE undone_at IS NOT NULL")}
    entries = await suite.sql(HISTORY)
    told = {key: list(some) for key, some in groupby(entries, lambda entry: (entry["tenant_id"], entry["ticket_id"]))}
    assert told.keys() == rows.keys()
    for key, row in rows.items():
        folded = _folded(told[key])
        assert row["version"] == len(told[key]), key
        assert {field: _plain(folded[field]) for field in FIELDS} == _of(now[key]), key
        _require_consistent(now[key], row)
        _require_symmetric(key, now)
    _require_each_undo(entries, undone)
    stray = await suite.sql(
        "SELECT c.id FROM tickets.comments c JOIN tickets.tickets t ON (t.tenant_id, t.id) = (c.tenant_id, c.ticket_id)"
        " WHERE t.status = 'merged'"
    )
    assert stray == []


def _folded(entries: Sequence[Any]) -> Mapping[str, Any]:
    """The ticket, from nothing but its history; each entry must fit what was there."""
    state: dict[str, Any] = {}
    statuses = set[str]()
    for number, entry in enumerate(entries, start=1):
        where = (entry["ticket_id"], number, entry["act"])
        before, after = orjson.loads(entry["was"]), orjson.loads(entry["became"])
        assert entry["version"] == number, where
        assert (number == 1) == (entry["act"] == "create"), where
        assert after.keys() <= MAY_CHANGE[entry["act"]], (where, after.keys())
        if number > 1:
            assert before.keys() == after.keys(), where
            assert after, where
            assert {name: _plain(state[name]) for name in before} == {name: _plain(before[name]) for name in before}, (
                where
            )
            assert all(_plain(before[name]) != _plain(after[name]) for name in before), where
            _require_move(entry["act"], state, after, statuses, where)
        state |= after
        statuses.add(state["status"])
    return state


def _require_move(act: str, state: Mapping[str, Any], after: Mapping[str, Any], been: set[str], where: Any) -> None:
    """A status comes of a move, of a merge, or was there before; nothing but undo changes what is merged."""
    start, to = state["status"], after.get("status", state["status"])
    if start == "merged":
        assert (act, "merged_into" in after) == ("undo", True), where
    if start == to:
        return
    match act:
        case "undo":
            assert to in been, where
        case "merge":
            assert to == "merged", where
        case _:
            assert to in ALLOWED.get(start, {}), where


def _require_consistent(fields: Mapping[str, Any], row: Any) -> None:
    finished = fields["status"] not in UNFINISHED
    assert (fields["resolved_at"] is not None) == finished, row["id"]
    assert (fields["merged_into"] is not None) == (fields["status"] == "merged"), row["id"]
    if fields["status"] != "merged":
        assert (fields["resolution"] is not None) == finished, row["id"]
    words = {f"label:{each}" for each in fields["labels"]} | {f"watcher:{each}" for each in fields["watchers"]}
    told = {mark for mark in row["marks"] if mark.startswith(("tenant:", "label:", "watcher:"))}
    assert told == {f"tenant:{row['tenant_id']}"} | words, row["id"]


def _require_symmetric(key: tuple[str, str], now: Mapping[tuple[str, str], Any]) -> None:
    tenant, ticket_id = key
    for each in now[key]["links"]:
        kind, other = each.split(" ")
        assert f"{OTHER_END[kind]} {ticket_id}" in now[tenant, other]["links"], (key, each)


def _require_each_undo(entries: Sequence[Any], undone: set[str]) -> None:
    """What was undone was undone once: as many entries took something back as belong to undone changes."""
    taken_back = sum(entry["act"] == "undo" for entry in entries)
    assert taken_back == sum(entry["change_id"] in undone for entry in entries)


async def differs(sql: Sql, state: State) -> dict[str, Any]:
    """Where the database and the model say different things."""
    ids = list(state.tickets)
    rows = await sql("SELECT *, created_at AS made FROM tickets.tickets WHERE id = ANY($1)", ids)
    comments = await sql("SELECT id, ticket_id FROM tickets.comments WHERE ticket_id = ANY($1)", ids)
    changes = await sql("SELECT id, undone_at IS NOT NULL AS undone FROM tickets.changes")
    undone = {row["id"]: row["undone"] for row in changes if row["id"] in state.changes}
    found: dict[str, Any] = {}
    times: dict[datetime, Any] = {}
    for row in rows:
        told = state.tickets[row["id"]]
        shown: dict[str, Any] = dict(row.items())
        wrong: dict[str, Any] = {
            name: (shown[name], told[name]) for name in told if name in shown and _set(shown[name]) != told[name]
        }
        due = row["made"] + timedelta(hours=told["due"]) if isinstance(told["due"], int) else told["due"]
        wrong |= {"due_at": (row["due_at"], due)} if row["due_at"] != due else {}
        if (row["resolved_at"] is None) != (told["resolved"] is None):
            wrong["resolved_at"] = (row["resolved_at"], told["resolved"])
        elif row["resolved_at"] and times.setdefault(row["resolved_at"], told["resolved"]) != told["resolved"]:
            wrong["resolved_at"] = (row["resolved_at"], told["resolved"], "that of another act")
        found |= {row["id"]: wrong} if wrong else {}
    if {row["id"]: row["ticket_id"] for row in comments} != state.comments:
        found["comments"] = ({row["id"]: row["ticket_id"] for row in comments}, state.comments)
    if undone != {change_id: change.undone for change_id, change in state.changes.items()}:
        found["undone"] = undone
    return found


async def others(suite: Suite, tenant: str = "acme") -> str:
    """Stands for everything that belongs to other tenants."""
    [row] = await suite.sql(OTHERS, tenant)
    return row["digest"]


def _of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {field: _plain(row[field]) for field in FIELDS}


def _plain(value: Any) -> Any:
    """Times are compared as times, since two texts may say the same one."""
    if isinstance(value, str) and len(value) > 18 and value[4] == value[7] == "-" and value[10] == "T":
        return datetime.fromisoformat(value)
    return value


def _set(value: Any) -> Any:
    return frozenset(cast("list[str]", value)) if isinstance(value, list) else value
