"""Random calls by several people at once, and the model that has to explain the answers."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx

from shared.state.database import connect
from tests.harness import Suite, modern, modern_headers
from tests.servers.tickets.model import ALLOWED, Op, State
from tests.servers.tickets.truth import differs

Wish = tuple[str, int, int, int]
"""What to do, and three numbers that choose with which ticket, to what, and how stale."""

KINDS = (
    *("update", "update", "create", "assign", "assign", "move", "move", "move", "move", "link", "link", "unlink"),
    *("comment", "comment", "merge", "merge", "bulk", "bulk", "planned", "undo", "undo", "undo", "undo", "hop"),
)
_MOST = 8
"""Tickets of one run: few, so that calls meet."""
_PEOPLE = ("me", None, "somebody")
_PRIORITIES = ("low", "normal", "high", "urgent")
_DUE = ("2031-05-01T10:00:00+02:00", "2031-05-01T08:00:00Z", None, "2031-06-01T00:00:00.250000-03:30")
_CHANGES: tuple[dict[str, Any], ...] = (
    *({"title": "A"}, {"title": "B"}, {"priority": "urgent"}, {"priority": "low", "title": "C"}, {"labels": ["a"]}),
    *({"labels": []}, {"watchers": ["w1", "w2"]}, {"customer_id": None}, {"customer_id": "C-000007"}),
    *({"due_at": each} for each in _DUE),
)
_BULK: tuple[dict[str, Any], ...] = (
    *({"priority": "high"}, {"priority": "normal", "add_labels": ["x"]}, {"remove_labels": ["x", "a"]}),
    *({"assignee": "me", "status": "open"}, {"assignee": None}, {"status": "resolved", "resolution": "Swept."}),
    *({"status": "closed", "resolution": "Done."}, {"status": "waiting", "add_labels": ["y"]}, {"status": "open"}),
)
_LINKS = ("relates_to", "blocks", "blocked_by", "parent_of", "duplicates")


@dataclass
class Writers:
    """People who write, each over real HTTP."""

    suite: Suite
    http: httpx.AsyncClient
    admin: Any
    state: State = field(default_factory=State)
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    done: list[Op] = field(default_factory=list[Op])

    @staticmethod
    @asynccontextmanager
    async def over(suite: Suite) -> AsyncGenerator["Writers"]:
        url = urlsplit(suite.admin_url)._replace(path=urlsplit(suite.urls.app).path).geturl()
        admin = await connect(url, "test")
        try:
            async with httpx.AsyncClient(timeout=30) as http:
                yield Writers(suite, http, admin)
        finally:
            await admin.close()

    async def answer(self, op: Op) -> Op:
        """Make the call; the operation with what was answered."""
        if op.persona not in self.tokens:
            self.tokens[op.persona] = self.suite.token(op.persona, "tickets")
        params = {"name": op.tool, "arguments": dict(op.arguments)}
        headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {self.tokens[op.persona]}"}
        sent = await self.http.post(self.suite.url("tickets"), json=modern("tools/call", params), headers=headers)
        body = sent.json()
        answer = body["result"]["structuredContent"] if "result" in body else {"error": body["error"]["data"]}
        return replace(op, answer=answer)

    async def at_once(self, ops: Sequence[Op]) -> list[Op]:
        """The calls, all at the same time, in the order given."""
        answered: dict[int, Op] = {}

        async def one(number: int, op: Op) -> None:
            answered[number] = await self.answer(op)

        async with anyio.create_task_group() as tasks:
            for number, op in enumerate(ops):
                tasks.start_soon(one, number, op)
        return [answered[number] for number in range(len(ops))]

    async def round(self, wishes: Sequence[Wish]) -> None:
        """Do some things at once. Some order of them, one after the other, must explain what each was answered and
        what is in the database afterwards.
        """
        ops = [op for wish in wishes for op in await self.ops(wish)]
        answered = await self.at_once(ops)
        self.done += answered
        tried: list[Any] = []
        for state in _explained(self.state, answered):
            if not (difference := await differs(self.admin.fetch, state)):
                self.state = state
                return
            tried.append(difference)
        raise AssertionError(f"no order explains {[(op.tool, op.arguments, op.outcome()) for op in answered]}: {tried}")

    async def ops(self, wish: Wish) -> list[Op]:
        """The call that is wished, as the state is now; none if there is nothing to do it with."""
        kind, one, two, stale = wish
        ids = list(self.state.tickets)  # in the order they were made: which is which is the same in each run
        kind = "update" if kind == "create" and len(ids) == _MOST else kind
        if kind == "create":
            labels = {"labels": [["a", "b"], ["b"]][one % 2], "watchers": [["w1"], []][two % 2]}
            given = {"type": "request", "title": "T", "queue": "support", "priority": _PRIORITIES[one % 4], **labels}
            return [Op("create_ticket", given | {"customer_id": [None, "C-000001"][two % 2]})]
        persona = "support" if stale % 3 == 0 else "manager"
        ticket_id, other = ids[one % len(ids)], ids[(one + 1 + two % (len(ids) - 1)) % len(ids)]
        made = getattr(self, f"_{kind}")(ticket_id, other, two, stale)
        if kind == "planned":
            return await self._with_plan(made) if made else []
        return [replace(op, persona=op.persona if kind in ("bulk", "hop") else persona) for op in made]

    def _version(self, ticket_id: str, stale: int) -> int:
        version = self.state.tickets[ticket_id]["version"]
        return version if stale % 8 else max(1, version - 1)

    def _on(self, tool: str, ticket_id: str, stale: int, **more: Any) -> list[Op]:
        return [Op(tool, {"ticket_id": ticket_id, "version": self._version(ticket_id, stale), **more})]

    def _update(self, ticket_id: str, _: str, two: int, stale: int) -> list[Op]:
        return self._on("update_ticket", ticket_id, stale, changes=_CHANGES[two % len(_CHANGES)])

    def _assign(self, ticket_id: str, _: str, two: int, stale: int) -> list[Op]:
        return self._on("assign_ticket", ticket_id, stale, assignee=_PEOPLE[two % 3])

    def _move(self, ticket_id: str, _: str, two: int, stale: int) -> list[Op]:
        ways = [*ALLOWED.get(self.state.tickets[ticket_id]["status"], ())]
        status = [*ways, *ways, "on_hold", "merged"][two % (2 * len(ways) + 2)]
        resolution = {"resolution": f"R{two % 2}"} if two % 5 else {}
        return self._on("transition_ticket", ticket_id, stale, status=status, **resolution)

    def _link(self, ticket_id: str, other: str, two: int, stale: int) -> list[Op]:
        kind = _LINKS[two % len(_LINKS)]
        return self._on("link_tickets", ticket_id, stale, kind=kind, other_id=other, remove=False)

    def _unlink(self, ticket_id: str, other: str, two: int, stale: int) -> list[Op]:
        links = sorted(self.state.tickets[ticket_id]["links"]) or [f"blocks {other}"]
        kind, other = links[two % len(links)].split(" ")
        return self._on("link_tickets", ticket_id, stale, kind=kind, other_id=other, remove=True)

    def _comment(self, ticket_id: str, _: str, two: int, __: int) -> list[Op]:
        return [Op("comment_on_ticket", {"ticket_id": ticket_id, "text": "Seen.", "internal": two % 2 == 0})]

    def _merge(self, keep: str, gone: str, _: int, stale: int) -> list[Op]:
        versions = {"keep_version": self._version(keep, stale), "duplicate_version": self._version(gone, stale // 2)}
        return [Op("merge_tickets", {"keep_id": keep, "duplicate_id": gone, **versions})]

    def _bulk(self, ticket_id: str, _: str, two: int, stale: int) -> list[Op]:
        some = [each for number, each in enumerate(self.state.tickets) if (two >> number % 5) % 2]
        given = {"ticket_ids": sorted({ticket_id, *some}, reverse=stale % 2 == 0), "changes": _BULK[two % len(_BULK)]}
        number = len(self.state.bulk_plan(Op("bulk_update_tickets", given)))
        return [Op("bulk_update_tickets", given | {"count": number})] if number else []

    _planned = _bulk

    async def _with_plan(self, made: Sequence[Op]) -> list[Op]:
        """The same, bound to what a dry run showed."""
        [op] = made
        shown = (await self.answer(replace(op, arguments={**op.arguments, "dry_run": True}))).answer
        assert shown["count"] == op.arguments["count"], shown
        planned = self.state.bulk_plan(op)
        return [replace(op, arguments={**op.arguments, "plan": shown["plan"]}, planned=planned)]

    def _undo(self, _: str, __: str, two: int, ___: int) -> list[Op]:
        """Mostly one of the last changes, sometimes any."""
        known = [*self.state.changes]
        return (
            [Op("undo_change", {"change_id": known[-1 - (two // 4) % min(len(known), 4 if two % 4 else 99)]})]
            if known
            else []
        )

    def _hop(self, ticket_id: str, other: str, two: int, stale: int) -> list[Op]:
        """Somebody of another tenant, who knows all ids."""
        kinds = ("_update", "_assign", "_move", "_link", "_comment", "_merge", "_undo")
        made: list[Op] = getattr(self, kinds[two % len(kinds)])(ticket_id, other, two, stale)
        return [replace(op, persona="outsider") for op in made]


def _explained(state: State, ops: Sequence[Op]) -> "list[State]":
    """The states in which some order of the calls ends, if each is answered as it was."""
    if not ops:
        return [state]
    ends: list[State] = []
    for number, op in zip(count(), ops, strict=False):
        after = state.copy()
        # What was refused may be so for the state in between; what was made is known by the ids it was given.
        if op.agrees(_applied(after, op)):
            ends += _explained(after, [*ops[:number], *ops[number + 1 :]])
    return ends


def _applied(state: State, op: Op) -> Any:
    if "error" in op.answer and op.tool in ("create_ticket", "comment_on_ticket"):
        op = replace(op, answer={**op.answer, "ticket": {"id": "none"}, "comment": {"id": "none"}, "change_id": "none"})
        return state.copy().apply(op)
    return state.apply(op)
