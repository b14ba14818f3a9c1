"""Whatever two callers do at once: nothing is lost, nothing is done twice, and what is undone is undone exactly."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from servers.customers.search import sort_name, terms
from shared.core.errors import Conflict
from tests.servers.customers.desk import Desk
from tests.servers.customers.history import Done, History, stored

pytestmark = pytest.mark.anyio

Step = tuple[Any, ...]
ORDERS = ("O-000011", "O-000012", "O-000013")

WHO = st.integers(0, 2)
CHANGES = st.lists(
    st.sampled_from(
        [
            *(("name", value) for value in ("Ada Alpha", "Bo Beta")),
            *(("city", value) for value in (None, "Ulm", "Bonn")),
            *(("email", value) for value in (None, "a@example.com")),
            *(("status", value) for value in ("active", "archived", "prospect")),
            *(("tags", value) for value in ([], ["a"], ["b", "c"])),
        ]
    ),
    min_size=1,
    max_size=3,
).map(dict[str, Any])
STEPS = st.one_of(
    st.tuples(st.just("update"), WHO, CHANGES),
    st.tuples(st.just("note"), WHO),
    st.tuples(st.just("merge"), WHO, st.integers(1, 2)),
    st.tuples(st.just("archive"), WHO),
    st.tuples(st.just("restore"), WHO),
    st.tuples(st.just("undo"), st.integers(0, 9)),
    st.tuples(st.just("undo"), st.integers(0, 9)),
)
SCRIPT = st.lists(STEPS, min_size=3, max_size=9)


@dataclass
class Play:
    """What callers did to three customers, and what they were told."""

    desk: Desk
    ids: list[str]
    log: list[Done] = field(default_factory=list[Done])
    changes: list[tuple[str, Done]] = field(default_factory=list[tuple[str, Done]])
    notes: dict[str, str] = field(default_factory=dict[str, str])
    unnoted: list[str] = field(default_factory=list[str])
    refused: list[tuple[int, Done, Conflict]] = field(default_factory=list[tuple[int, Done, Conflict]])

    async def run(self, script: list[Step]) -> None:
        for kind, *rest in script:
            try:
                await getattr(self, kind)(*rest)
            except Conflict as conflict:
                event(f"{kind} refused")
                if kind == "undo":
                    which: int = rest[0]
                    self.refused.append((len(self.log), self.changes[which % len(self.changes)][1], conflict))

    async def version(self, who: int) -> dict[str, Any]:
        now = await self.desk.ask("get_customer", customer_id=self.ids[who])
        return {"customer_id": now.id, "version": now.version}

    def wrote(self, kind: str, arguments: dict[str, Any], *customers: Any, change_id: str | None = None) -> Done:
        done = Done(kind, {each.id: each.model_dump() for each in customers}, arguments)
        self.log.append(done)
        if change_id:
            self.changes.append((change_id, done))
        return done

    async def update(self, who: int, changes: dict[str, Any]) -> None:
        arguments: dict[str, Any] = {**await self.version(who), "changes": changes}
        answer = await self.desk.ask("update_customer", **arguments)
        assert (answer.change_id is None) == (answer.customer.version == arguments["version"])
        if answer.change_id:
            self.wrote("update", arguments, answer.customer, change_id=answer.change_id)

    async def note(self, who: int) -> None:
        answer = await self.desk.ask("add_customer_note", customer_id=self.ids[who], text="Called.")
        self.notes[answer.note.id] = self.ids[who]
        self.changes.append((answer.change_id, Done("note", {}, {"note": answer.note.id, "of": self.ids[who]})))

    async def merge(self, keep: int, offset: int) -> None:
        kept, duplicate = await self.version(keep), await self.version((keep + offset) % 3)
        arguments: dict[str, Any] = {
            "keep_id": kept["customer_id"],
            "keep_version": kept["version"],
            "duplicate_id": duplicate["customer_id"],
            "duplicate_version": duplicate["version"],
        }
        answer = await self.desk.ask("merge_customers", **arguments)
        self.wrote("merge", arguments, answer.customer, answer.duplicate, change_id=answer.change_id)

    async def archive(self, who: int) -> None:
        await self.turn("archive", who)

    async def restore(self, who: int) -> None:
        await self.turn("restore", who)

    async def turn(self, kind: str, who: int) -> None:
        arguments = await self.version(who)
        answer = await self.desk.ask(f"{kind}_customer", **arguments)
        if answer.customer.version != arguments["version"]:
            self.wrote(kind, arguments, answer.customer)

    async def undo(self, which: int) -> None:
        if not self.changes:
            return
        change_id, undone = self.changes[which % len(self.changes)]
        answer = await self.desk.ask("undo_change", change_id=change_id)
        event(f"undid a {undone.kind}")
        if undone.kind == "note":
            self.unnoted.append(undone.arguments["note"])
        else:
            written = [each for each in answer.customers if each.id in undone.after]
            done = self.wrote("undo", {"change_id": change_id}, *written)
            done.undone = undone


async def begin(desk: Desk) -> tuple[Play, History]:
    customers = [
        await desk.made(name="Ada Alpha", status="active"),
        await desk.made(name="Bo Beta", company="Beta Ltd", city="Ulm", tags=["b"]),
        await desk.made(name="Cy Gamma", email="c@example.com", street="Way 1", city="Ulm", tags=["c"]),
    ]
    history = History()
    async with desk.database.transaction("acme") as transaction:
        for customer, order in zip(customers, ORDERS, strict=True):
            history.begin(customer.model_dump())
            await transaction.connection.execute(
                "UPDATE customers.orders SET customer_id = $1 WHERE id = $2", customer.id, order
            )
    return Play(desk, [customer.id for customer in customers]), history


async def owners(desk: Desk, table: str, ids: list[str]) -> dict[str, list[str]]:
    """Whose each row is."""
    async with desk.database.transaction("acme") as transaction:
        rows = await transaction.connection.fetch(
            f"SELECT id, customer_id FROM customers.{table} WHERE customer_id = ANY($1)", ids
        )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append(row["customer_id"])
    return found


async def check(play: Play, history: History) -> None:
    history.replay(play.log)
    merged: set[str] = set()
    for customer_id in play.ids:
        states = history.states[customer_id]
        assert sorted(states) == list(range(1, len(states) + 1)), "versions only grow, one at a time"
        now = (await play.desk.ask("get_customer", customer_id=customer_id)).model_dump()
        last = {name: value for name, value in history.latest(customer_id).items() if name != "archived_from"}
        assert (now["version"], stored(now)) == (len(states), last), "no update is lost"
        expected = [(term, sort_name(now), now["status"], now["segment"], now["country"]) for term in terms(now)]
        assert await play.desk.terms(customer_id) == expected, "customers are found by what they are"
        if now["merged_into"]:
            merged.add(customer_id)
    orders, notes = await owners(play.desk, "orders", play.ids), await owners(play.desk, "notes", play.ids)
    assert sorted(orders) == list(ORDERS), "no order is lost, none comes twice"
    assert notes.keys() == play.notes.keys() - set(play.unnoted), "no note is lost, and none comes back"
    assert max(Counter(play.unnoted).values(), default=1) == 1, "no note is taken back twice"
    assert all(len(found) == 1 for found in (*orders.values(), *notes.values()))
    assert not merged & {owner for found in (*orders.values(), *notes.values()) for owner in found}
    undone = Counter(id(done.undone) for done in play.log if done.undone)
    assert max(undone.values(), default=1) == 1, "nothing is undone twice"


QUICK = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUICK
@given(one=SCRIPT, two=SCRIPT)
async def test_two_callers_at_once_lose_nothing_and_agree_on_one_history(
    desk: Desk, one: list[Step], two: list[Step]
) -> None:
    play, history = await begin(desk)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(play.run, one)
            tasks.start_soon(play.run, two)
    await check(play, history)


@QUICK
@given(script=st.lists(STEPS, min_size=3, max_size=12))
async def test_an_undo_is_refused_only_where_something_was_built_on_the_change(desk: Desk, script: list[Step]) -> None:
    play, history = await begin(desk)
    await play.run(script)
    await check(play, history)
    for at, done, conflict in play.refused:
        if "undone_at" in conflict.details:
            continue
        then = History()
        for customer_id in play.ids:
            then.states[customer_id] = {1: history.states[customer_id][1]}
        then.replay(play.log[:at])
        assert conflict.details["changed_since"]
        if done.kind == "note":
            assert then.latest(done.arguments["of"])["merged_into"]
            continue
        later = {
            each: [name for name, (_, value) in fields.items() if then.latest(each)[name] != value]
            for each, fields in then.touched(done).items()
        }
        gone = any(then.latest(each)["merged_into"] for each in done.after)
        assert any(later.values()) or gone or conflict.details["changed_since"] in (["orders"], ["notes"])
