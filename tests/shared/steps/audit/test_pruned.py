"""What was pruned is accounted for by signed statements: whoever cuts without one, or spoils one, is found."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from shared.state.keys import KeyRing
from shared.steps.audit import checking
from shared.steps.audit.chain import Head
from shared.steps.audit.checking import Walk, check, fits
from shared.steps.audit.checkpoints import signed as checkpoint
from shared.steps.audit.pruned import Pruned, Statements, opened, signed
from shared.steps.audit.verify import Report, verify
from tests.harness import Databases
from tests.shared.steps.audit.aged import RING, Aged, pruned
from tests.shared.steps.test_audit import admin

pytestmark = pytest.mark.anyio

OTHERS = KeyRing([b"b" * 32])
STATEMENT = "SELECT chain, seq, until, statement FROM suite.audit_pruned WHERE chain = $1"


@dataclass
class World:
    """Three chains: `gone` was pruned as a whole, of `cut` the records 0 to 4, and `young` is the newest."""

    connection: Any
    gone: UUID
    cut: UUID
    young: UUID
    heads: dict[UUID, list[Head]]

    async def run(self, sql: str, *values: Any) -> None:
        await self.connection.execute(sql, *values)

    async def stated(self, chain: UUID) -> Pruned:
        return opened(await self.connection.fetchrow(STATEMENT, chain), RING)

    async def state(self, pruned: Pruned, ring: KeyRing = RING) -> None:
        """Put a statement in place of the one there is."""
        await self.text(UUID(pruned.chain), pruned.seq, signed(pruned, ring))

    async def text(self, chain: UUID, seq: int, text: str) -> None:
        await self.run("UPDATE suite.audit_pruned SET seq = $2, statement = $3 WHERE chain = $1", chain, seq, text)


@pytest.fixture(scope="module")
async def made(databases: Databases) -> AsyncGenerator[World]:
    urls = await databases.fresh()
    connection = await admin(databases, urls)
    try:
        aged = Aged(connection)
        ages = [100, 99, 98, 97, 96], [90, 89, 88, 87, 86, 10, 9, 8], [7, 6]
        gone, cut, young = [await aged.chain(each) for each in ages]
        await connection.execute("CREATE TABLE kept AS SELECT * FROM suite.audit")
        rows = await connection.fetch("SELECT chain, seq, hash FROM suite.audit ORDER BY chain, seq")
        heads = {chain: [Head(*row) for row in rows if row["chain"] == chain] for chain in (gone, cut, young)}
        assert await pruned(connection) == []
        yield World(connection, gone, cut, young, heads)
    finally:
        await connection.close()


@pytest.fixture
async def world(made: World) -> AsyncGenerator[World]:
    """What is done to it is undone."""
    transaction = made.connection.transaction(isolation="repeatable_read")
    await transaction.start()
    yield made
    await transaction.rollback()


async def verified(world: World, *checkpoints: Any) -> Report:
    return await verify(world.connection, RING, [(f"file:{n}", one) for n, one in enumerate(checkpoints)])


async def test_what_is_left_verifies_and_what_was_pruned_is_counted(world: World) -> None:
    report = await verified(world)
    assert (report.problems, report.records, report.chains) == ([], 5, 2)
    assert (report.pruned, report.statements) == (10, 2)
    walk = await check(world.connection, RING, "acme", Walk(), 10)
    assert (walk.problems, walk.links, walk.done) == ((), 5, True)


async def test_a_statement_says_what_went_when_why_and_by_whom(world: World) -> None:
    gone, cut = await world.stated(world.gone), await world.stated(world.cut)
    assert (gone.seq, gone.ended, gone.previous) == (4, True, None)
    assert (cut.seq, cut.ended, cut.by, cut.why) == (4, False, "somebody", "retention")
    assert cut.previous == {"chain": str(world.gone), "seq": 4, "hash": gone.hash}
    assert gone.since < gone.until < cut.since < cut.until < cut.at


async def more_is_cut(world: World) -> None:
    await world.run("DELETE FROM suite.audit WHERE chain = $1 AND seq <= 6", world.cut)


async def a_beginning_is_cut_that_was_not_pruned(world: World) -> None:
    await world.run("DELETE FROM suite.audit WHERE chain = $1 AND seq = 0", world.young)


async def more_is_cut_and_the_number_altered(world: World) -> None:
    await more_is_cut(world)
    text = signed(await world.stated(world.cut), RING)
    await world.text(world.cut, 6, text.replace('"seq":4', '"seq":6', 2))


async def more_is_cut_under_a_key_of_ones_own(world: World) -> None:
    await more_is_cut(world)
    last = world.heads[world.cut][6]
    await world.state(replace(await world.stated(world.cut), seq=6, hash=last.hash.hex()), OTHERS)


async def more_is_cut_under_the_name_of_our_key(world: World) -> None:
    await more_is_cut(world)
    last = world.heads[world.cut][6]
    text = signed(replace(await world.stated(world.cut), seq=6, hash=last.hash.hex()), OTHERS)
    await world.text(world.cut, 6, text.replace(OTHERS.mac_id, RING.mac_id))


async def more_is_cut_by_a_checkpoint(world: World) -> None:
    await more_is_cut(world)
    stated = checkpoint(world.heads[world.cut][6], RING)
    await world.text(world.cut, 6, orjson.dumps(stated).decode())


async def more_is_cut_by_a_checkpoint_dressed_up(world: World) -> None:
    await more_is_cut(world)
    last = world.heads[world.cut][6]
    said = orjson.loads(signed(replace(await world.stated(world.cut), seq=6, hash=last.hash.hex()), RING))
    await world.text(world.cut, 6, orjson.dumps(said | checkpoint(last, RING)).decode())


async def the_reason_is_altered(world: World) -> None:
    text = signed(await world.stated(world.cut), RING)
    await world.text(world.cut, 4, text.replace("retention", "by a court"))


async def the_reason_of_the_whole_one_is_altered(world: World) -> None:
    text = signed(await world.stated(world.gone), RING)
    await world.text(world.gone, 4, text.replace("retention", "by a court"))


async def the_column_is_altered(world: World) -> None:
    await world.run("UPDATE suite.audit_pruned SET seq = 6 WHERE chain = $1", world.cut)


async def the_time_is_altered(world: World) -> None:
    await world.run("UPDATE suite.audit_pruned SET until = until - interval '1 year' WHERE chain = $1", world.cut)


async def it_is_of_another_chain(world: World) -> None:
    await world.text(world.cut, 4, signed(await world.stated(world.gone), RING))


async def it_is_no_statement(world: World) -> None:
    await world.text(world.cut, 4, "[]")


async def it_is_an_older_one(world: World) -> None:
    await world.state(replace(await world.stated(world.cut), seq=2, hash=world.heads[world.cut][2].hash.hex()))


async def it_is_of_another_past(world: World) -> None:
    """As somebody could who kept the statement of a database that was restored since."""
    await world.state(replace(await world.stated(world.cut), hash="00" * 32))


async def the_statement_of_the_cut_one_is_gone(world: World) -> None:
    await world.run("DELETE FROM suite.audit_pruned WHERE chain = $1", world.cut)


async def the_statement_of_the_whole_one_is_gone(world: World) -> None:
    await world.run("DELETE FROM suite.audit_pruned WHERE chain = $1", world.gone)


async def every_trace_of_the_whole_one_is_gone(world: World) -> None:
    await the_statement_of_the_whole_one_is_gone(world)
    await world.run("DELETE FROM suite.audit_chain WHERE chain = $1", world.gone)


async def every_trace_of_the_cut_one_is_gone(world: World) -> None:
    await the_statement_of_the_cut_one_is_gone(world)
    await world.run("DELETE FROM suite.audit WHERE chain = $1", world.cut)
    await world.run("DELETE FROM suite.audit_chain WHERE chain = $1", world.cut)


async def the_table_is_gone(world: World) -> None:
    await world.run("ALTER TABLE suite.audit_pruned RENAME TO hidden")


async def the_rest_is_cut(world: World) -> None:
    await world.run("DELETE FROM suite.audit WHERE chain = $1", world.cut)


async def all_of_the_whole_one_comes_back(world: World) -> None:
    await world.run("INSERT INTO suite.audit SELECT * FROM kept WHERE chain = $1", world.gone)


async def the_newest_of_it_comes_back(world: World) -> None:
    await world.run("INSERT INTO suite.audit SELECT * FROM kept WHERE chain = $1 AND seq = 4", world.cut)


async def some_come_back_and_the_rest_is_cut(world: World) -> None:
    await the_rest_is_cut(world)
    await the_newest_of_it_comes_back(world)


ATTACKS: list[tuple[Callable[[World], Awaitable[None]], str]] = [
    (more_is_cut, "records 5 to 6 before it are gone"),
    (a_beginning_is_cut_that_was_not_pruned, "records 0 to 0 before it are gone"),
    (more_is_cut_and_the_number_altered, "signature: it was changed"),
    (more_is_cut_under_a_key_of_ones_own, "key_id: not a key of the ring"),
    (more_is_cut_under_the_name_of_our_key, "signature: it was changed"),
    (more_is_cut_by_a_checkpoint, "it is not a statement of what was pruned"),
    (more_is_cut_by_a_checkpoint_dressed_up, "signature: it was changed"),
    (the_reason_is_altered, "signature: it was changed"),
    (the_reason_of_the_whole_one_is_altered, "signature: it was changed"),
    (the_column_is_altered, "seq: the column differs from the signed statement"),
    (the_time_is_altered, "until: the column differs from the signed statement"),
    (it_is_of_another_chain, "chain: the column differs from the signed statement"),
    (it_is_no_statement, "it is not a statement of what was pruned"),
    (it_is_an_older_one, "records 3 to 4 before it are gone"),
    (it_is_of_another_past, "prev_hash: it does not follow the record before it"),
    (the_statement_of_the_cut_one_is_gone, "records 0 to 4 before it are gone"),
    (the_statement_of_the_whole_one_is_gone, "the whole chain is gone"),
    (every_trace_of_the_whole_one_is_gone, "gone or changed: what was pruned of"),
    (every_trace_of_the_cut_one_is_gone, "gone or changed"),
    (the_table_is_gone, "the whole chain is gone"),
    (the_rest_is_cut, "the rest of the chain is gone"),
    (all_of_the_whole_one_comes_back, "is here again"),
    (the_newest_of_it_comes_back, "is here again"),
    (some_come_back_and_the_rest_is_cut, "the rest of the chain is gone"),
]
"""What somebody does, and by which words verify finds it."""


@pytest.mark.parametrize(
    ("attack", "told"),
    ATTACKS,
    ids=lambda given: given.__name__ if callable(given) else "",
)
async def test_whoever_may_write_to_the_database_and_cannot_sign_is_found(world: World, attack: Any, told: str) -> None:
    await attack(world)
    found = (await verified(world)).problems
    assert any(told in problem.what for problem in found), found
    if attack is not the_table_is_gone:  # the console does not start without it
        walk = await check(world.connection, RING, "acme", Walk(), 10)
        assert walk.found, "the console sees it as well"
        same = attack is not some_come_back_and_the_rest_is_cut and not told.startswith("records")
        assert not same or any(told in what for _, what in walk.problems), walk.problems


async def test_a_statement_that_is_spoilt_excuses_nothing(world: World) -> None:
    await the_reason_is_altered(world)
    found = [problem.what for problem in (await verified(world)).problems]
    assert "records 0 to 4 before it are gone" in found


async def test_checkpoints_of_what_was_pruned_are_as_good_as_before(world: World) -> None:
    heads = world.heads
    stated = [checkpoint(heads[world.gone][4], RING), *(checkpoint(heads[world.cut][seq], RING) for seq in (2, 4, 7))]
    report = await verified(world, *stated)
    assert (report.problems, report.checkpoints) == ([], 4)


async def test_checkpoints_find_what_no_statement_covers(world: World) -> None:
    beyond = checkpoint(Head(world.gone, 9, b"h" * 32), RING)
    another = checkpoint(replace(world.heads[world.cut][4], hash=b"h" * 32), RING)
    (first, second) = (await verified(world, beyond, another)).problems
    assert (first.where, second.where) == (f"{world.gone}/9", f"{world.cut}/4")
    assert "as a checkpoint states" in first.what


async def test_a_checkpoint_finds_a_chain_of_which_every_trace_is_gone(world: World) -> None:
    await world.run("DELETE FROM suite.audit WHERE chain = $1", world.young)
    await world.run("DELETE FROM suite.audit_chain WHERE chain = $1", world.young)
    assert (await verified(world)).problems == []
    (problem,) = (await verified(world, checkpoint(world.heads[world.young][1], RING))).problems
    assert "gone or changed" in problem.what


async def test_the_oldest_record_that_is_left_fits_by_itself(world: World) -> None:
    id_of = "SELECT id FROM suite.audit WHERE chain = $1 AND seq = 5"
    first = await world.connection.fetchval(id_of, world.cut)
    assert await fits(world.connection, RING, "acme", first) == []
    await the_statement_of_the_cut_one_is_gone(world)
    (problem,) = await fits(world.connection, RING, "acme", first)
    assert problem.what == "prev_hash: the record before it is gone"


async def test_statements_under_a_key_that_left_the_ring_count_no_more(world: World) -> None:
    await world.run("DELETE FROM suite.audit WHERE chain <> $1", world.young)
    report = await verify(world.connection, OTHERS)
    assert {problem.what for problem in report.problems if "statement" in problem.what} == {
        "statement of what was pruned: key_id: not a key of the ring"
    }


async def test_a_check_that_is_under_way_while_its_records_are_pruned_finds_nothing_wrong(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = await databases.fresh()
    connection = await admin(databases, urls)
    aged = Aged(connection)
    chain = await aged.chain([90, 89, 88, 87, 86, 10, 9])
    await aged.chain([5])
    monkeypatch.setattr(checking, "_PAGE", 2)
    monkeypatch.setattr(checking.time, "monotonic", iter(range(1000)).__next__)
    walk = Walk()
    while not (walk.chain == str(chain) and walk.seq >= 1):
        walk = await check(connection, RING, "acme", walk, 1.5)
    assert walk.seq < 4
    monkeypatch.undo()
    assert await pruned(connection) == []
    walk = await check(connection, RING, "acme", walk, 10)
    await connection.close()
    assert (walk.done, walk.problems) == (True, ())


async def test_a_database_without_the_table_has_no_statements(world: World) -> None:
    await world.run("TRUNCATE suite.audit, suite.audit_chain; DROP TABLE suite.audit_pruned")
    report = await verified(world)
    assert (report.problems, report.statements) == ([], 0)


def test_names_that_are_no_chains_are_covered_by_nothing() -> None:
    assert not Statements().cover("x", 1, "00")
    assert not Statements().cover(str(uuid4()), 1, "00")
