"""The same change for many tickets at once: planned first, then done as a whole or not at all."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from servers.tickets import queries, write_queries
from servers.tickets.answers import Bulk, BulkDiff, BulkGroup, BulkSkipped
from servers.tickets.bulk_arguments import BULK_MAX, BulkChanges, BulkUpdate, BulkWhere
from servers.tickets.due import due
from servers.tickets.finding import by_marks, conditions
from servers.tickets.models import BULK, LABELS_MAX, LinkKind
from servers.tickets.moving import moved
from servers.tickets.queueing import require_queue
from servers.tickets.saving import Pair, Row, Undo, plain, save
from servers.tickets.tools import tools
from servers.tickets.views import links
from servers.tickets.workflow import Facts
from shared.core.errors import Conflict, Failure, Invalid
from shared.core.tool import Call, Risk

_AT_ONCE = 100
"""Tickets between two notes of progress."""

_TOLD = ("priority", "status", "queue", "assignee", "resolution")


@dataclass
class Plan:
    """What will change.

    Attributes:
        wished: Each ticket that changes, and its new fields.
        skipped: Ids of those that stay as they are, by reason.
    """

    wished: list[Pair] = field(default_factory=list[Pair])
    skipped: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def digest(self) -> str:
        """Of which versions change, and how. When one is resolved is left out: that is now, whenever it is done."""
        told = [[row["id"], row["version"], plain({**fields, "resolved_at": None})] for row, fields in self.wished]
        return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def skip(self, ticket_id: str, reason: str) -> None:
        self.skipped.setdefault(reason, []).append(ticket_id)


@tools.write("tickets:write", BULK, risk=Risk.HIGH, inverse="undo_change", deferrable=True, deadline_s=30)
async def bulk_update_tickets(call: Call, query: BulkUpdate) -> Bulk:
    """Change up to 1,000 tickets in the same way, all or none of them: priority, queue, assignee, labels, status.
    Call it with dry_run first: it shows the whole plan, says which tickets would be skipped and why, and gives
    `count` and `plan`. Repeat it with both to do exactly that; it is refused if a ticket changed meanwhile. Many
    tickets at once may need a confirmation or an approval. undo_change takes all of it back.
    """
    if query.changes.queue is not None:
        await require_queue(call.transaction, query.changes.queue)
    rows = await _chosen(call, query)
    plan = await _planned(call, rows, query)
    _refuse_other(plan, query)
    call.based_on("plan", "of the tickets", plan.digest)
    saved = await save(call, query, "bulk_update", plan.wished, Undo((BULK,)))
    await call.progress(len(rows), len(rows), "saved")
    return Bulk(
        count=len(plan.wished),
        plan=plan.digest,
        groups=_groups(saved.pairs),
        skipped=[BulkSkipped(reason=reason, ticket_ids=ids) for reason, ids in plan.skipped.items()],
        change_id=saved.change_id,
    )


async def _chosen(call: Call, query: BulkUpdate) -> list[Row]:
    """The tickets that are meant, locked, in the order of ids.

    Raises:
        Invalid: More than may be changed at once fit.
    """
    if query.where is not None:
        return await _fitting(call, query.where)
    return await call.transaction.rows(write_queries.LOCKED, ids=sorted({*(query.ticket_ids or ())}))


async def _fitting(call: Call, where: BulkWhere) -> list[Row]:
    marked = by_marks(where)
    rows = await call.transaction.rows(
        queries.locked(frozenset(conditions(where)), marked=bool(marked)),
        **conditions(where),
        **marked,
        limit=BULK_MAX + 1,
    )
    if len(rows) > BULK_MAX:
        raise Invalid(f"More than {BULK_MAX} tickets fit. Narrow `where`, or do it in several calls.")
    return rows


async def _planned(call: Call, rows: Sequence[Row], query: BulkUpdate) -> Plan:
    plan = Plan()
    there = {row["id"] for row in rows}
    for ticket_id in dict.fromkeys(query.ticket_ids or []):
        if ticket_id not in there:
            plan.skip(ticket_id, "there is no such ticket")
    [now] = await call.transaction.rows(write_queries.NOW)
    unfinished = await _unfinished_blockers(call, rows)
    for number, row in enumerate(rows):
        if number % _AT_ONCE == 0:
            await call.progress(number, len(rows), "planned")
            await asyncio.sleep(0)  # others have their turn, whether or not anybody wants to hear of progress
        blockers = unfinished & _blocking(row)
        try:
            fields = _wished(call, Facts(row, query.changes.resolution, sorted(blockers), now["now"]), query.changes)
        except Failure as failure:
            plan.skip(row["id"], _without_id(failure.message, row["id"]))
            continue
        new = {name: value for name, value in fields.items() if plain(value) != plain(row[name])}
        if new:
            plan.wished.append((row, new))
        else:
            plan.skip(row["id"], "it is so already")
    return plan


async def _unfinished_blockers(call: Call, rows: Iterable[Row]) -> set[str]:
    blocking = sorted({blocker for row in rows for blocker in _blocking(row)})
    found = await call.transaction.rows(queries.UNFINISHED_AMONG, ids=blocking) if blocking else []
    return {row["id"] for row in found}


def _blocking(row: Row) -> set[str]:
    return {each.ticket_id for each in links(row["links"]) if each.kind is LinkKind.BLOCKED_BY}


def _wished(call: Call, found: Facts, changes: BulkChanges) -> dict[str, Any]:
    """The fields of one ticket after the change.

    Raises:
        Conflict: It cannot be changed so.
    """
    row = found.ticket
    if row["merged_into"]:
        raise Conflict("it is merged into another ticket")
    fields: dict[str, Any] = changes.model_dump(include={"queue", "assignee"}, exclude_unset=True)
    if fields.get("assignee") == "me":
        fields["assignee"] = call.caller.subject
    if changes.priority is not None and changes.priority != row["priority"]:
        fields |= {"priority": changes.priority, "due_at": due(changes.priority, row["created_at"])}
    labels = sorted({*row["labels"], *(changes.add_labels or ())} - set(changes.remove_labels or ()))
    if len(labels) > LABELS_MAX:
        raise Conflict(f"it would have more than {LABELS_MAX} labels")
    fields["labels"] = labels
    if changes.status is not None and changes.status != row["status"]:
        # What is changed with it counts: a new ticket that is given to somebody can be opened.
        fields |= moved(Facts({**row, **fields}, found.resolution, found.blockers, found.now), changes.status)
    return fields


def _without_id(message: str, ticket_id: str) -> str:
    """The same words for all tickets that are skipped for the same reason."""
    return message.replace(ticket_id, "it")


def _refuse_other(plan: Plan, query: BulkUpdate) -> None:
    """Do what the dry run showed, or nothing."""
    if query.plan is not None and query.plan != plan.digest:
        raise Conflict(
            "The plan is another one by now: tickets were changed since the dry run. Call it with dry_run again, and "
            "look at what it shows.",
            plan=plan.digest,
        )
    if query.count is not None and query.count != len(plan.wished):
        raise Conflict(
            f"{len(plan.wished)} tickets would change, and not {query.count}. Call it with dry_run again, and look at "
            "what it shows.",
            count=len(plan.wished),
        )


def _groups(pairs: Iterable[Pair]) -> list[BulkGroup]:
    """Tickets that change alike, together: a thousand diffs would be more than a model can read."""
    groups: dict[bytes, tuple[BulkDiff, list[str]]] = {}
    for before, after in pairs:
        told = _diff(before, after)
        groups.setdefault(told.model_dump_json().encode(), (told, []))[1].append(before["id"])
    return [BulkGroup(diff=told, ticket_ids=ids) for told, ids in groups.values()]


def _diff(before: Row, after: Row) -> BulkDiff:
    changed = [name for name in _TOLD if before[name] != after[name]]
    had, has = set(before["labels"]), set(after["labels"])
    return BulkDiff.model_validate(
        {
            **{name: {"before": before[name], "after": after[name]} for name in changed},
            "added_labels": sorted(has - had),
            "removed_labels": sorted(had - has),
        }
    )
