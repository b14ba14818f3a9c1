"""What records name: found by the writer once, and by the database only where a writer did not."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.state.roles import Urls
from shared.steps import audit
from shared.steps.audit.chain import canonical
from shared.steps.audit.exploring import Wanted, page
from shared.steps.audit.naming import named
from tests.harness import Databases, _connect  # pyright: ignore[reportPrivateUsage]
from tests.shared.steps.audit.test_exploring import looking
from tests.shared.steps.test_audit import CALLER, REQUEST, writer

pytestmark = pytest.mark.anyio

_IN_DATABASE = (
    "SELECT suite.audit_named('acme', body) FROM unnest($1::bytea[]) WITH ORDINALITY AS b(body, n) ORDER BY n"
)
_BODIES = "SELECT body FROM suite.audit WHERE tenant = 'acme' ORDER BY seq"
_PIECES = [
    "C-000042",
    "T-7QX2M4N9KP",
    "A",
    "Z9_",
    "_",
    "-",
    "-",
    "-",
    "0",
    "7" * 9,
    "b",
    " ",
    '"',
    "é",
    "2026-11-22T07",
]


@pytest.fixture
async def urls(databases: Databases) -> Urls:
    return await databases.fresh()


async def in_database(urls: Urls, bodies: list[bytes]) -> list[set[str]]:
    connection = await _connect(urls.reader)
    try:
        return [set(row[0]) for row in await connection.fetch(_IN_DATABASE, bodies)]
    finally:
        await connection.close()


async def test_the_writer_finds_the_ids_that_the_database_finds_in_a_body(urls: Urls) -> None:
    chance = random.Random(61)
    texts = ["".join(chance.choices(_PIECES, k=chance.randrange(1, 12))) for _ in range(4000)]
    texts += [
        "C-" + "9" * 26,
        "C-" + "9" * 27,
        "A" * 16 + "-1",
        "A" * 17 + "-1",
        "A-B-C",
        "C-1",
        "-C-1-",
        "C-1é",
        "éC-1",
    ]
    bodies = [text.encode() for text in texts]
    ours = [{f"acme {name.decode()}" for name in named(body)} for body in bodies]
    assert ours == await in_database(urls, bodies)
    assert sum(map(bool, ours)) > 1000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("first\nC-000042\tT-1", [b"C-000042", b"T-1"]),
        ("C-2 and C-1, then C-2", [b"C-2", b"C-1"]),
        ("sC-1 C-1x 2026-11-22 a-1 C- -1", []),
    ],
)
def test_an_id_is_found_once_wherever_a_word_begins(text: str, found: list[bytes]) -> None:
    assert named(orjson.dumps({"note": text})) == found


async def test_a_record_begins_with_what_it_names_and_stays_canonical(urls: Urls, tmp_path: Path) -> None:
    many = {"one": "C-000001", "more": ["C-000003", "C-000002"], "again": "C-000001"}
    async with writer(urls, tmp_path) as sink:
        for arguments in ({"customer_id": "C-000042"}, many, {"query": "x"}):
            async with audit.record(sink, replace(REQUEST, arguments=arguments), CALLER) as entry:
                entry.facts["about"] = "what a tool would say: not its to say"
    connection = await _connect(urls.reader)
    bodies: list[bytes] = [row["body"] for row in await connection.fetch(_BODIES)]
    await connection.close()
    assert [orjson.loads(body)["about"] for body in bodies] == ["C-000042", "C-000001 C-000003 C-000002", ""]
    assert all(body.startswith(b'{"about":"') and body == canonical(orjson.loads(body)) for body in bodies)
    assert await in_database(urls, bodies) == [
        {"acme C-000042"},
        {"acme C-000001", "acme C-000003", "acme C-000002"},
        set(),
    ]


async def test_the_database_does_not_look_through_a_body_that_says_what_it_names(urls: Urls) -> None:
    told = [b'{"about":"C-1","note":"C-2"}', b'{"about":"","note":"C-2"}', b'{"actor":null,"note":"C-2 C-3"}']
    assert await in_database(urls, told) == [{"acme C-1"}, set(), {"acme C-2", "acme C-3"}]


async def test_records_of_the_release_before_are_found_beside_those_of_this_one(
    urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def canonical_before(record: dict[str, Any]) -> bytes:
        return canonical({name: value for name, value in record.items() if name != "about"})

    async with writer(urls, tmp_path) as sink:
        for request_id in ("req_now", "req_before"):
            async with audit.record(sink, replace(REQUEST, request_id=request_id), CALLER):
                pass
            monkeypatch.setattr("shared.steps.audit.chain.canonical", canonical_before)
    async with looking(urls) as connection:
        found = await page(connection, "acme", Wanted(naming="C-1"))
    assert [(each.record["request_id"], "about" in each.record) for each in found] == [
        ("req_before", False),
        ("req_now", True),
    ]
