"""What verify must see although every hash of it fits: the holder of an old copy, or of the beginning, at work."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.state.roles import Urls
from shared.steps.audit.chain import COLUMNS, ZERO, Head, link
from tests.harness import Databases
from tests.shared.steps.test_audit import RING, admin, record, report, some_calls, writer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def urls(databases: Databases, tmp_path: Path) -> Urls:
    """A database with one chain: its opening and four calls."""
    made = await databases.fresh()
    async with writer(made, tmp_path) as sink:
        await some_calls(sink)
    return made


async def change(databases: Databases, urls: Urls, statement: str, *values: Any) -> None:
    connection = await admin(databases, urls)
    await connection.execute(statement, *values)
    await connection.close()


async def problems(urls: Urls) -> list[str]:
    return [problem.what for problem in (await report(urls)).problems]


async def test_a_record_signed_for_another_past_is_seen_on_both_sides(databases: Databases, urls: Urls) -> None:
    """As somebody could who kept a copy of the database from before a restore."""
    connection = await admin(databases, urls)
    body = await connection.fetchval("SELECT body FROM suite.audit WHERE seq = 2")
    other = "UPDATE suite.audit SET prev_hash = $1, hash = $2 WHERE seq = 2"
    await connection.execute(other, ZERO, RING.mac(ZERO + body))
    await connection.close()
    found = (await report(urls)).problems
    assert [(problem.where.split()[0][-2:], problem.what.split(":")[0]) for problem in found] == [
        ("/2", "prev_hash"),
        ("/3", "prev_hash"),
    ]


async def test_a_record_hung_to_another_past_no_longer_fits_its_hash(databases: Databases, urls: Urls) -> None:
    await change(databases, urls, "UPDATE suite.audit SET prev_hash = sha256(prev_hash) WHERE seq = 3")
    assert "hash: body, prev_hash or hash was changed" in await problems(urls)


@pytest.mark.parametrize("kept", [1, 3])
async def test_a_chain_without_its_beginning_is_seen(databases: Databases, urls: Urls, kept: int) -> None:
    await change(databases, urls, "DELETE FROM suite.audit WHERE seq < $1", kept)
    assert f"records 0 to {kept - 1} before it are gone" in await problems(urls)


async def test_the_last_chain_is_missed_by_its_registration(databases: Databases, urls: Urls) -> None:
    await change(databases, urls, "DELETE FROM suite.audit")
    assert await problems(urls) == ["the whole chain is gone"]


async def test_a_head_that_a_later_chain_names_must_be_the_same_record(
    databases: Databases, urls: Urls, tmp_path: Path
) -> None:
    async with writer(urls, tmp_path):
        pass
    connection = await admin(databases, urls)
    row = await connection.fetchrow("SELECT prev_hash, body FROM suite.audit WHERE seq = 4")
    body = row["body"].replace(b"get_customer", b"got_customer")
    hashed = RING.mac(row["prev_hash"] + body)
    other = "UPDATE suite.audit SET body = $1, hash = $2, target = 'got_customer' WHERE seq = 4"
    await connection.execute(other, body, hashed)
    await connection.close()
    (problem,) = (await report(urls)).problems
    assert problem.what.startswith("gone or changed")


async def test_a_chain_that_does_not_start_with_its_registration_is_seen(databases: Databases, urls: Urls) -> None:
    head = Head(uuid4())
    row, _head = link(head, record(), RING)
    connection = await admin(databases, urls)
    await connection.execute("INSERT INTO suite.audit_chain (chain) VALUES ($1)", head.chain)
    places = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
    await connection.execute(f"INSERT INTO suite.audit ({', '.join(COLUMNS)}) VALUES ({places})", *row)
    await connection.close()
    assert await problems(urls) == ["kind: a chain starts with its registration"]


NO_TEXT = '{"chain": 1}'
NAMES_HALF_A_HEAD = '{"kind": "chain", "previous": {"chain": "x", "seq": 1}}'


@pytest.mark.parametrize(
    ("body", "which"),
    [
        *(("{}", 0), ("{}", 2), ("[]", 0), ("[]", 2), ("null", 0), ("null", 2)),
        *((NAMES_HALF_A_HEAD, 0), (NAMES_HALF_A_HEAD, 2), (NO_TEXT, 0), (NO_TEXT, 2)),
    ],
)
async def test_a_body_of_any_shape_is_named_and_stops_nothing(
    databases: Databases, urls: Urls, body: str, which: int
) -> None:
    await change(databases, urls, "UPDATE suite.audit SET body = $1 WHERE seq = $2", body.encode(), which)
    found = await problems(urls)
    assert "hash: body, prev_hash or hash was changed" in found
