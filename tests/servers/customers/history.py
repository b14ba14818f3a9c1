"""A model of what writes do to customers: states by version, replayed from the answers alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servers.customers.queries import STORED

State = dict[str, Any]
EMPTIES = ("company", "email", "phone", "street", "postal_code", "city")


@dataclass
class Done:
    """One write that succeeded.

    Attributes:
        after: Every customer it touched, as the answer showed it.
        undone: For an undo, the write it took back.
    """

    kind: str
    after: dict[str, State]
    arguments: Mapping[str, Any]
    undone: "Done | None" = None


@dataclass
class History:
    """States of customers by id and version; only writes put any there."""

    states: dict[str, dict[int, State]] = field(default_factory=dict[str, dict[int, State]])
    applied: list[Done] = field(default_factory=list[Done])

    def begin(self, customer: State) -> None:
        self.states[customer["id"]] = {1: {**stored(customer), "archived_from": None}}

    def latest(self, customer_id: str) -> State:
        found = self.states[customer_id]
        return found[max(found)]

    def replay(self, log: list[Done]) -> None:
        """Apply each write once what it built on is known; fails if one is left or two made the same version."""
        left = list(log)
        while left:
            ready = [done for done in left if self._known(done)]
            assert ready, f"nothing explains {left}"
            for done in ready:
                self._apply(done)
            left = [done for done in left if done not in ready]

    def _known(self, done: Done) -> bool:
        earlier = all(after["version"] - 1 in self.states[each] for each, after in done.after.items())
        return earlier and (done.undone is None or done.undone in self.applied)

    def _apply(self, done: Done) -> None:
        before = {each: self.states[each][after["version"] - 1] for each, after in done.after.items()}
        expected = self.outcome(done, before)
        for each, after in done.after.items():
            assert after["version"] not in self.states[each], f"{each}: two writes made version {after['version']}"
            shown = {name: value for name, value in expected[each].items() if name != "archived_from"}
            assert {name: after[name] for name in shown} == shown, done
            self.states[each][after["version"]] = expected[each]
        self.applied.append(done)

    def outcome(self, done: Done, before: dict[str, State]) -> dict[str, State]:
        if done.kind == "merge":
            keep, gone = done.arguments["keep_id"], done.arguments["duplicate_id"]
            return {
                keep: _filled(before[keep], before[gone]),
                gone: _set(before[gone], status="archived") | {"merged_into": keep},
            }
        if done.kind == "undo":
            assert done.undone is not None
            touched = self.touched(done.undone)
            for each, fields in touched.items():
                found = {name: before[each][name] for name in fields}
                assert found == {name: now for name, (_, now) in fields.items()}, "an undo overwrote a later change"
            return {
                each: before[each] | {name: was for name, (was, _) in touched.get(each, {}).items()} for each in before
            }
        ((each, state),) = before.items()
        match done.kind:
            case "update":
                return {each: _set(state, **done.arguments["changes"])}
            case "archive":
                return {each: _set(state, status="archived")}
            case _:
                return {each: _set(state, status=state["archived_from"] or "inactive")}

    def touched(self, done: Done) -> dict[str, dict[str, tuple[Any, Any]]]:
        """For each customer the fields that the write changed, with their values before and after."""
        found: dict[str, dict[str, tuple[Any, Any]]] = {}
        for each, after in done.after.items():
            was, now = (self.states[each][after["version"] - back] for back in (1, 0))
            found[each] = {name: (was[name], now[name]) for name in STORED if was[name] != now[name]}
        return found


def stored(customer: State) -> State:
    return {name: customer[name] for name in STORED if name != "archived_from"}


def _set(state: State, **changes: Any) -> State:
    archived = changes.get("status", state["status"]) == "archived"
    was = state["archived_from"] if state["status"] == "archived" else state["status"]
    return state | changes | {"archived_from": was if archived else None}


def _filled(keep: State, gone: State) -> State:
    agree = keep["country"] == gone["country"] and all(
        keep[name] is None or gone[name] is None or keep[name] == gone[name] for name in EMPTIES[3:]
    )
    names = EMPTIES if agree else EMPTIES[:3]
    filled = {name: gone[name] for name in names if keep[name] is None}
    return keep | filled | {"tags": sorted({*keep["tags"], *gone["tags"]})}
