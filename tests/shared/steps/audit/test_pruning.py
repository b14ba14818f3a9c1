"""What is old is removed from the beginning of chains, never what is needed, held, young or does not fit."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.core.errors import Unavailable
from shared.state.keys import KeyRing
from shared.state.roles import Urls
from shared.steps.audit import prefix
from shared.steps.audit.chain import Head
from shared.steps.audit.pruned import Pruned, reaches_before, signed, statements
from shared.steps.audit.pruning import Plan, planned, prune, renew
from shared.steps.audit.verify import Report, verify
from shared.steps.audit.writer import lock_key
from tests.harness import Databases, _connect  # pyright: ignore[reportPrivateUsage]
from tests.shared.steps.audit.aged import RING, Aged, ago, allowed, pruned
from tests.shared.steps.test_audit import admin, writer

pytestmark = pytest.mark.anyio

OLD = [90.0, 80.0, 70.0]
REMOVE = "SELECT suite.prune_audit($1)"
INTENT = "4f0c1c46-0b0b-4f6e-9d9e-0a8f1c2d3e4f"


@pytest.fixture(scope="module")
async def urls(databases: Databases) -> Urls:
    return await databases.fresh()


@pytest.fixture
async def aged(databases: Databases, urls: Urls) -> AsyncGenerator[Aged]:
    """In an audit that is empty."""
    connection = await admin(databases, urls)
    await connection.execute("TRUNCATE suite.audit, suite.audit_chain, suite.audit_pruned")
    yield Aged(connection)
    await connection.close()


async def whole(aged: Aged, ring: KeyRing = RING) -> Report:
    report = await verify(aged.connection, ring)
    assert report.problems == []
    return report


async def test_what_is_older_goes_and_everything_that_is_left_verifies(aged: Aged) -> None:
    first, second, third = [await aged.chain(days) for days in (OLD, [60, 50, 40, 20, 10], [5, 4])]
    assert await pruned(aged.connection) == []
    assert [await aged.left(chain) for chain in (first, second, third)] == [[], [3, 4], [0, 1]]
    report = await whole(aged)
    assert (report.records, report.pruned, report.statements) == (4, 6, 2)


async def test_to_prune_again_goes_on_from_there(aged: Aged) -> None:
    chain = await aged.chain([90, 80, 70, 60, 50, 5])
    await aged.chain([3])
    for days, left in ((75, [2, 3, 4, 5]), (75, [2, 3, 4, 5]), (55, [4, 5]), (31, [5])):
        assert await pruned(aged.connection, days) == []
        assert await aged.left(chain) == left
        await whole(aged)
    said = (await statements(aged.connection, RING)).genuine[chain]
    assert (said.seq, said.ended) == (4, False)
    assert said.since[:10] == ago(90)[:10]


async def test_a_chain_that_was_cut_earlier_ends_when_its_rest_is_old(aged: Aged) -> None:
    chain = await aged.chain([90, 80, 40])
    await aged.chain([3])
    await pruned(aged.connection, 60)
    await pruned(aged.connection)
    assert await aged.left(chain) == []
    assert (await statements(aged.connection, RING)).genuine[chain].ended
    await whole(aged)


async def test_a_record_that_is_young_keeps_older_ones_behind_it(aged: Aged) -> None:
    chain = await aged.chain([90, 80, 10, 70, 60])
    await aged.chain([3])
    await pruned(aged.connection)
    assert await aged.left(chain) == [2, 3, 4]
    await whole(aged)


async def test_the_newest_chain_keeps_its_head_which_the_next_one_names(aged: Aged, urls: Urls, tmp_path: Path) -> None:
    chain = await aged.chain(OLD)
    await pruned(aged.connection)
    assert await aged.left(chain) == [2]
    async with writer(urls, tmp_path):
        pass
    assert (await whole(aged)).records == 2
    await pruned(aged.connection)
    assert await aged.left(chain) == []
    await whole(aged)


async def test_a_chain_whose_process_lives_keeps_its_head_until_it_ends(aged: Aged, urls: Urls) -> None:
    chain = await aged.chain(OLD)
    await aged.chain([3])
    process = await _connect(urls.app)
    await process.execute("SELECT pg_advisory_lock($1)", lock_key(chain))
    await pruned(aged.connection)
    assert await aged.left(chain) == [2]
    await whole(aged)
    await process.execute("SELECT pg_advisory_unlock_all()")
    await process.close()
    await pruned(aged.connection)
    assert await aged.left(chain) == []
    await whole(aged)


async def test_a_process_whose_chain_is_pruned_under_it_goes_on_with_it(
    aged: Aged, urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.steps.audit.writer.now", lambda: ago(50))
    async with writer(urls, tmp_path) as sink:
        for _ in range(3):
            await sink.write({"v": 1, "id": str(uuid4()), "at": ago(40), "kind": "call"})
        assert sink.head is not None
        await pruned(aged.connection)
        assert await aged.left(sink.head.chain) == [3]
        await sink.write({"v": 1, "id": str(uuid4()), "at": ago(0), "kind": "call"})
        assert await aged.left(sink.head.chain) == [3, 4]
    report = await whole(aged)
    assert (report.chains, report.pruned) == (1, 3)


@pytest.mark.parametrize("outcome", [None, "outcome_unknown"])
async def test_an_intent_whose_outcome_is_still_to_be_found_out_stays(aged: Aged, outcome: str | None) -> None:
    facts: dict[int, dict[str, Any]] = {1: {"id": INTENT, "kind": "intent", "intent": INTENT}}
    facts |= {2: {"kind": "outcome", "intent": INTENT, "outcome": outcome}} if outcome else {}
    chain = await aged.chain([90, 80, 70, 60], settled=False, facts=facts)
    await aged.chain([3])
    await pruned(aged.connection)
    assert await aged.left(chain) == [1, 2, 3]
    await aged.connection.execute("UPDATE suite.audit_chain SET settled = true")
    await pruned(aged.connection)
    assert await aged.left(chain) == []


async def test_an_intent_whose_outcome_is_known_goes(aged: Aged) -> None:
    facts: dict[int, dict[str, Any]] = {1: {"id": INTENT, "kind": "intent", "intent": INTENT}}
    facts[2] = {"kind": "outcome", "intent": INTENT, "outcome": "ok"}
    chain = await aged.chain([90, 80, 70, 60], settled=False, facts=facts)
    await aged.chain([3])
    await pruned(aged.connection)
    assert await aged.left(chain) == []


@pytest.mark.parametrize(
    ("held", "left"),
    [(set[str](), []), ({"globex"}, [2, 3]), ({"acme"}, [1, 2, 3]), ({"initech"}, []), ({"*"}, [0, 1, 2, 3])],
    ids=str,
)
async def test_nothing_goes_from_the_first_record_of_a_tenant_on_that_is_held(
    aged: Aged, held: set[str], left: list[int]
) -> None:
    chain = await aged.chain([90, 80, 70, 60], facts={2: {"tenant": "globex"}})
    await aged.chain([3])
    await pruned(aged.connection, held=frozenset(held))
    assert await aged.left(chain) == left
    await whole(aged)


TAMPERED = {
    "hash: body, prev_hash or hash": "UPDATE suite.audit SET body = body || ' ' WHERE chain = $1 AND seq = 1",
    "subject: the column differs": "UPDATE suite.audit SET subject = 'eve' WHERE chain = $1 AND seq = 1",
    "records 1 to 1 before it are gone": "DELETE FROM suite.audit WHERE chain = $1 AND seq = 1",
    "prev_hash": "UPDATE suite.audit SET prev_hash = sha256('') WHERE chain = $1 AND seq = 2",
    "key_id": "UPDATE suite.audit SET key_id = '00000000' WHERE chain = $1 AND seq = 0",
}


@pytest.mark.parametrize("told", TAMPERED)
async def test_what_was_tampered_with_is_evidence_and_stays_whole(aged: Aged, told: str) -> None:
    chain, other = [await aged.chain(days) for days in (OLD, [60, 50])]
    await aged.chain([3])
    await aged.connection.execute(TAMPERED[told], chain)
    there = await aged.left(chain)
    problems = await pruned(aged.connection)
    assert any(told in problem.what for problem in problems), problems
    assert (await aged.left(chain), await aged.left(other)) == (there, [])


async def test_the_first_record_that_stays_has_to_fit_as_well(aged: Aged) -> None:
    """Else it could be told no more on which side of the cut somebody was at work."""
    chain = await aged.chain([90, 80, 10, 9])
    await aged.connection.execute("UPDATE suite.audit SET prev_hash = sha256('') WHERE seq = 2")
    assert [problem.what for problem in await pruned(aged.connection)]
    assert await aged.left(chain) == [0, 1, 2, 3]


async def test_a_record_that_a_checkpoint_or_a_later_chain_knows_otherwise_is_evidence(aged: Aged) -> None:
    chain = await aged.chain(OLD)
    aged.last = Head(chain, 1, b"h" * 32)
    later = await aged.chain([60, 50])
    await aged.chain([3])
    (problem,) = await pruned(aged.connection)
    assert "names another" in problem.what
    assert (await aged.left(chain), await aged.left(later)) == ([0, 1, 2], [])
    what = await allowed(aged.connection, named={(str(chain), 2): "00" * 32})
    (problem,) = (await planned(aged.connection, RING, what)).problems
    assert problem.where.startswith(f"{chain}/2 ")


async def test_a_chain_without_its_registration_is_evidence(aged: Aged) -> None:
    chain = await aged.chain(OLD, facts={0: {"kind": "call"}})
    await aged.chain([3])
    (problem,) = await pruned(aged.connection)
    assert problem.what == "kind: a chain starts with its registration"
    assert await aged.left(chain) == [0, 1, 2]


async def test_a_chain_whose_statement_was_spoilt_is_left_alone(aged: Aged) -> None:
    chain = await aged.chain([90, 80, 70, 60, 5])
    await aged.chain([3])
    await pruned(aged.connection, 75)
    spoil = "UPDATE suite.audit_pruned SET statement = replace(statement, 'retention', 'whim')"
    await aged.connection.execute(spoil)
    (problem,) = await pruned(aged.connection)
    assert "signature" in problem.what
    assert await aged.left(chain) == [2, 3, 4]


async def test_what_came_back_is_left_alone(aged: Aged) -> None:
    chain = await aged.chain([90, 80, 70, 5])
    await aged.connection.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM suite.audit")
    await aged.chain([3])
    await pruned(aged.connection, 75)
    await aged.connection.execute("INSERT INTO suite.audit SELECT * FROM kept WHERE seq = 1")
    (problem,) = await pruned(aged.connection)
    assert "here again" in problem.what
    assert await renew(aged.connection, KeyRing([b"b" * 32, b"a" * 32])) == 0
    assert await aged.left(chain) == [1, 2, 3]


async def planned_for(aged: Aged) -> tuple[Any, Plan]:
    what = await allowed(aged.connection)
    return what, await planned(aged.connection, RING, what)


async def test_a_record_changed_after_the_plan_was_made_stays(aged: Aged) -> None:
    chain = await aged.chain(OLD)
    await aged.chain([3])
    what, plan = await planned_for(aged)
    await aged.connection.execute("UPDATE suite.audit SET subject = 'eve' WHERE chain = $1 AND seq = 2", chain)
    (problem,) = await prune(aged.connection, RING, what, plan, lambda _: None)
    assert problem.what == "subject: the column differs from the signed body"
    assert await aged.left(chain) == [0, 1, 2]


async def test_nothing_goes_that_was_not_planned(aged: Aged) -> None:
    chain = await aged.chain([90, 80, 70, 60])
    await aged.chain([3])
    what, plan = await planned_for(aged)
    (going,) = plan.going
    less = Plan([replace(going, statement=replace(going.statement, seq=1))])
    await prune(aged.connection, RING, what, less, lambda _: None)
    assert await aged.left(chain) == [2, 3]
    await whole(aged)


async def test_a_process_that_dies_between_batches_leaves_a_chain_that_verifies(
    aged: Aged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix, "BATCH", 2)
    chain = await aged.chain([90, 80, 70, 60, 50, 40, 35])
    await aged.chain([3])
    what, plan = await planned_for(aged)
    assert (plan.going[0].records, plan.going[0].statement.ended) == (7, True)

    def dies(_records: int) -> None:
        raise KeyboardInterrupt

    for left in ([2, 3, 4, 5, 6], [4, 5, 6], [6]):
        with pytest.raises(KeyboardInterrupt):
            await prune(aged.connection, RING, what, plan, dies)
        assert await aged.left(chain) == left
        await whole(aged)
    counts: list[int] = []
    assert await prune(aged.connection, RING, what, plan, counts.append) == []
    assert (await aged.left(chain), counts) == ([], [1])
    await whole(aged)


async def test_two_do_not_prune_at_once(aged: Aged, urls: Urls) -> None:
    chain = await aged.chain(OLD)
    await aged.chain([3])
    other = await _connect(urls.owner)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", 0x6D637072)
        with pytest.raises(Unavailable, match="Somebody else"):
            await pruned(aged.connection)
    finally:
        await other.close()
    assert await aged.left(chain) == [0, 1, 2]


async def test_statements_outlive_the_key_that_signed_them(aged: Aged) -> None:
    await aged.chain(OLD)
    await aged.chain([3])
    await pruned(aged.connection)
    rotated, alone = KeyRing([b"b" * 32, b"a" * 32]), KeyRing([b"b" * 32])
    assert await renew(aged.connection, RING) == 0
    assert await renew(aged.connection, rotated) == 1
    await whole(aged, rotated)
    assert [one.key_id for one in (await statements(aged.connection, alone)).genuine.values()] == [alone.mac_id]


def statement(chain: UUID, seq: int) -> str:
    return signed(Pruned(str(chain), seq, "00" * 32, ago(90), ago(60), False, None, ago(0), "x", "y"), RING)


async def test_the_database_itself_keeps_the_last_thirty_days_and_takes_nothing_back(aged: Aged) -> None:
    chain = await aged.chain([90, 80, 70, 29.9])
    for seq in (3, 99):
        with pytest.raises(asyncpg.CheckViolationError, match="30 days"):
            await aged.connection.fetchval(REMOVE, statement(chain, seq))
    assert await aged.connection.fetchval(REMOVE, statement(chain, 1)) == 2
    with pytest.raises(asyncpg.CheckViolationError, match="already"):
        await aged.connection.fetchval(REMOVE, statement(chain, 0))
    assert await aged.left(chain) == [2, 3]


@pytest.mark.parametrize("role", ["app", "reader", "operator", "console"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT suite.prune_audit('{}')",
        "DELETE FROM suite.audit_pruned",
        "UPDATE suite.audit_pruned SET seq = 0",
        "INSERT INTO suite.audit_pruned VALUES (gen_random_uuid(), 0, now(), '')",
    ],
)
async def test_no_role_that_serves_looks_or_decides_may_prune(databases: Databases, role: str, sql: str) -> None:
    connection = await _connect(getattr(databases.template, role))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(sql)
    await connection.close()


async def test_whoever_asks_for_what_was_pruned_can_be_told(aged: Aged) -> None:
    assert await reaches_before(aged.connection, None) is None
    await aged.chain(OLD)
    await aged.chain([3])
    await pruned(aged.connection)
    until = datetime.fromisoformat(ago(70))
    for since in (None, until - timedelta(days=1), (until - timedelta(days=1)).replace(tzinfo=None)):
        found = await reaches_before(aged.connection, since)
        assert found is not None
        assert abs(found - until) < timedelta(hours=1)
    assert await reaches_before(aged.connection, datetime.now(UTC) - timedelta(days=60)) is None
