"""An independent model of the ticket server: what each write does, in plain words, without a line of its code."""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

ALLOWED: Mapping[str, Mapping[str, str]] = {
    "new": {"open": "assigned", "closed": "explained"},
    "open": {"waiting": "", "on_hold": "", "resolved": "explained unblocked"},
    "waiting": {"open": "assigned", "resolved": "explained unblocked"},
    "on_hold": {"open": "assigned"},
    "resolved": {"closed": "", "open": "assigned"},
    "closed": {"open": "assigned"},
}
UNFINISHED = {"new", "open", "waiting", "on_hold"}
DUE_HOURS = {"low": 240, "normal": 72, "high": 24, "urgent": 4}
OTHER_END = {
    **{"relates_to": "relates_to", "blocks": "blocked_by", "blocked_by": "blocks"},
    **{"parent_of": "child_of", "child_of": "parent_of", "duplicates": "duplicated_by", "duplicated_by": "duplicates"},
}
SUBJECTS = {"manager": "acme-sales-manager", "support": "acme-support-agent", "outsider": "globex-admin"}

Fields = dict[str, Any]
Outcome = tuple[Any, ...]
Plan = Mapping[str, tuple[int, Fields]]
"""Version and new fields of each ticket that would change."""


class Refused(Exception):
    """What a call is refused with: the code, and what its details name."""


@dataclass(frozen=True)
class Op:
    """One call, and what was answered."""

    tool: str
    arguments: Mapping[str, Any]
    persona: str = "manager"
    planned: "Plan | None" = None
    answer: dict[str, Any] = field(default_factory=dict[str, Any])

    def outcome(self) -> Outcome:
        """What the answer says, in the words `State.apply` uses."""
        if "error" not in self.answer:
            return ("ok", bool(self.answer.get("change_id")))
        error = self.answer["error"]
        details = error.get("details", {})
        if "changed_since" in details:
            return (error["code"], "changed_since", frozenset(details["changed_since"]))
        told = ("current_version", "merged_into", "missing", "allowed_moves", "undone_at", "plan", "count")
        return (error["code"], *(name for name in told if name in details))[:2]

    def agrees(self, expected: Outcome) -> bool:
        """Whether it was answered as expected; of fields that changed, ten are named."""
        told = self.outcome()
        if "changed_since" in told and "changed_since" in expected:
            named, all_of_them = told[-1], expected[-1]
            return named == all_of_them or (len(named) == 10 and named < all_of_them)
        return told == expected


@dataclass
class Change:
    """What can be undone: each ticket's fields before and after."""

    needs_bulk: bool
    entries: dict[str, dict[str, tuple[Any, Any]]]
    moved: frozenset[str] = frozenset()
    comment: str | None = None
    undone: bool = False


@dataclass
class State:
    """All tickets of a run, the comments on each, and what can be undone."""

    tickets: dict[str, Fields] = field(default_factory=dict[str, Fields])
    comments: dict[str, str] = field(default_factory=dict[str, str])
    changes: dict[str, Change] = field(default_factory=dict[str, Change])
    acts: int = 0

    def apply(self, op: Op) -> Outcome:
        """Do it, as the server should; a refused call changes nothing."""
        self.acts += 1
        act: Callable[[Op], Outcome] = getattr(self, op.tool)
        if op.persona == "outsider":
            return ("not_found",)
        try:
            return act(op)
        except Refused as refusal:
            return refusal.args

    def copy(self) -> "State":
        return deepcopy(self)

    def create_ticket(self, op: Op) -> Outcome:
        given = op.arguments
        self.tickets[op.answer["ticket"]["id"]] = {
            **{"version": 1, "title": given["title"], "priority": given["priority"], "status": "new", "assignee": None},
            **{"labels": frozenset(given["labels"]), "watchers": frozenset(given["watchers"]), "links": frozenset()},
            **{"customer_id": given["customer_id"], "resolution": None, "resolved": None, "merged_into": None},
            "due": DUE_HOURS[given["priority"]],
        }
        return ("ok", False)

    def update_ticket(self, op: Op) -> Outcome:
        ticket = self._current(op.arguments["ticket_id"], op.arguments["version"])
        wished = dict(op.arguments["changes"])
        if "due_at" in wished:  # the same moment, however its offset is written
            given = wished.pop("due_at")
            by_priority = DUE_HOURS[wished.get("priority", ticket["priority"])]
            wished["due"] = datetime.fromisoformat(given) if given else by_priority
        elif "priority" in wished:
            wished["due"] = DUE_HOURS[wished["priority"]]
        for name in {"labels", "watchers"} & set(wished):
            wished[name] = frozenset(wished[name])
        return self._save(op, {op.arguments["ticket_id"]: wished})

    def assign_ticket(self, op: Op) -> Outcome:
        self._current(op.arguments["ticket_id"], op.arguments["version"])
        return self._save(op, {op.arguments["ticket_id"]: {"assignee": self._who(op, op.arguments["assignee"])}})

    def transition_ticket(self, op: Op) -> Outcome:
        given = op.arguments
        ticket = self._current(given["ticket_id"], given["version"])
        return self._save(op, {given["ticket_id"]: self._moved(ticket, given["status"], given.get("resolution"))})

    def link_tickets(self, op: Op) -> Outcome:
        one, other, kind = op.arguments["ticket_id"], op.arguments["other_id"], op.arguments["kind"]
        first, second = self._current(one, op.arguments["version"]), self._current(other)
        here, there = f"{kind} {other}", f"{OTHER_END[kind]} {one}"
        if op.arguments["remove"]:
            wished = {one: {"links": first["links"] - {here}}, other: {"links": second["links"] - {there}}}
        elif kind != "relates_to" and f"{OTHER_END[kind]} {other}" in first["links"]:
            raise Refused("conflict")
        else:
            wished = {one: {"links": first["links"] | {here}}, other: {"links": second["links"] | {there}}}
        return self._save(op, wished)

    def comment_on_ticket(self, op: Op) -> Outcome:
        self._current(op.arguments["ticket_id"])
        written = op.answer["comment"]["id"]
        self.comments[written] = op.arguments["ticket_id"]
        self.changes[op.answer["change_id"]] = Change(needs_bulk=False, entries={}, comment=written)
        return ("ok", True)

    def merge_tickets(self, op: Op) -> Outcome:
        given = op.arguments
        keep_id, gone_id = given["keep_id"], given["duplicate_id"]
        keep, gone = self._current(keep_id, given["keep_version"]), self._current(gone_id, given["duplicate_version"])
        if keep["status"] == "closed":
            raise Refused("conflict")
        moved = frozenset(comment for comment, at in self.comments.items() if at == gone_id)
        self._move(moved, keep_id)
        wished: dict[str, Fields] = {
            keep_id: {
                "labels": keep["labels"] | gone["labels"],
                "watchers": keep["watchers"] | gone["watchers"],
                "customer_id": keep["customer_id"] or gone["customer_id"],
                "links": keep["links"] | {f"duplicated_by {gone_id}"},
            },
            gone_id: {
                **{"status": "merged", "merged_into": keep_id, "resolved": gone["resolved"] or self.acts},
                "links": gone["links"] | {f"duplicates {keep_id}"},
            },
        }
        return self._save(op, wished, moved=moved)

    def bulk_update_tickets(self, op: Op) -> Outcome:
        plan = self.bulk_plan(op)
        if op.planned is not None and _foreseen(op.planned) != _foreseen(plan):
            raise Refused("conflict", "plan")
        if op.arguments.get("count", len(plan)) != len(plan):
            raise Refused("conflict", "count")
        return self._save(op, {ticket_id: fields for ticket_id, (_, fields) in plan.items()}, needs_bulk=True)

    def bulk_plan(self, op: Op) -> Plan:
        """What a bulk would do now."""
        wished = ((ticket_id, self._bulk_fields(op, ticket_id)) for ticket_id in op.arguments["ticket_ids"])
        return {ticket_id: (self.tickets[ticket_id]["version"], fields) for ticket_id, fields in wished if fields}

    def _bulk_fields(self, op: Op, ticket_id: str) -> Fields:
        ticket, given = self.tickets[ticket_id], op.arguments["changes"]
        if ticket["merged_into"]:
            return {}
        labels = (ticket["labels"] | set(given.get("add_labels", ()))) - set(given.get("remove_labels", ()))
        wished: Fields = {"labels": labels}
        if "assignee" in given:
            wished["assignee"] = self._who(op, given["assignee"])
        if given.get("priority", ticket["priority"]) != ticket["priority"]:
            wished |= {"priority": given["priority"], "due": DUE_HOURS[given["priority"]]}
        if given.get("status", ticket["status"]) != ticket["status"]:
            try:
                wished |= self._moved({**ticket, **wished}, given["status"], given.get("resolution"))
            except Refused:
                return {}
        return {name: value for name, value in wished.items() if value != ticket[name]}

    def undo_change(self, op: Op) -> Outcome:
        change = self.changes[op.arguments["change_id"]]
        if change.needs_bulk and op.persona != "manager":
            raise Refused("forbidden")
        if change.undone:
            raise Refused("conflict", "undone_at")
        changed = {
            f"{ticket_id}.{name}".replace(".resolved", ".resolved_at").replace(".due", ".due_at")
            for ticket_id, fields in change.entries.items()
            for name, (_, after) in fields.items()
            if self.tickets[ticket_id][name] != after
        }
        for ticket_id, fields in change.entries.items():  # nothing changes a merged ticket but taking back its merge
            if self.tickets[ticket_id]["merged_into"] and "merged_into" not in fields:
                changed.add(f"{ticket_id}.merged_into")
        if changed:
            raise Refused("conflict", "changed_since", frozenset(changed))
        self._take_back_comments(change)
        for ticket_id, fields in change.entries.items():
            self.tickets[ticket_id] |= {name: before for name, (before, _) in fields.items()}
            self.tickets[ticket_id]["version"] += 1
        change.undone = True
        return ("ok", True)

    def _take_back_comments(self, change: Change) -> None:
        if change.comment and self.comments.pop(change.comment, None) is None:
            raise Refused("conflict", "changed_since", frozenset({"the comment"}))
        if change.moved:
            [(gone_id, keep_id)] = [
                (each, fields["merged_into"][1]) for each, fields in change.entries.items() if "merged_into" in fields
            ]
            if any(self.comments.get(comment) != keep_id for comment in change.moved):
                raise Refused("conflict", "changed_since", frozenset({"the comments"}))
            self._move(change.moved, gone_id)

    def _move(self, comments: Collection[str], to: str) -> None:
        for comment in comments:
            self.comments[comment] = to

    def _current(self, ticket_id: str, version: int | None = None) -> Fields:
        ticket = self.tickets[ticket_id]
        if version is not None and version != ticket["version"]:
            raise Refused("conflict", "current_version")
        if ticket["merged_into"]:
            raise Refused("conflict", "merged_into")
        return ticket

    def _who(self, op: Op, assignee: str | None) -> str | None:
        return SUBJECTS[op.persona] if assignee == "me" else assignee

    def _moved(self, ticket: Fields, to: str, resolution: str | None) -> Fields:
        ways = ALLOWED[ticket["status"]]
        if to not in ways:
            raise Refused("conflict", "allowed_moves")
        resolution = resolution or ticket["resolution"]
        blockers = [each.split(" ")[1] for each in ticket["links"] if each.startswith("blocked_by ")]
        holds = {
            "assigned": ticket["assignee"] is not None,
            "explained": resolution is not None,
            "unblocked": not any(self.tickets[each]["status"] in UNFINISHED for each in blockers),
        }
        if not all(holds[guard] for guard in ways[to].split()):
            raise Refused("conflict", "missing")
        if to in UNFINISHED:
            return {"status": to, "resolution": None, "resolved": None}
        return {"status": to, "resolution": resolution, "resolved": ticket["resolved"] or self.acts}

    def _save(self, op: Op, wished: dict[str, Fields], needs_bulk: bool = False, **beside: Any) -> Outcome:
        entries = {
            ticket_id: {
                name: (self.tickets[ticket_id][name], value)
                for name, value in fields.items()
                if value != self.tickets[ticket_id][name]
            }
            for ticket_id, fields in wished.items()
        }
        entries = {ticket_id: fields for ticket_id, fields in entries.items() if fields}
        if not entries:
            return ("ok", False)
        for ticket_id, fields in entries.items():
            self.tickets[ticket_id] |= {name: after for name, (_, after) in fields.items()}
            self.tickets[ticket_id]["version"] += 1
        if change_id := op.answer.get("change_id"):
            self.changes[change_id] = Change(needs_bulk, entries, **beside)
        return ("ok", True)


def _foreseen(plan: Plan) -> Any:
    """A plan without when a ticket is resolved: that is when it is done."""
    return {key: (version, {**fields, "resolved": None}) for key, (version, fields) in plan.items()}
