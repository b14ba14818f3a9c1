"""Memory has a bound that does not grow with the size of a document or of a folder."""

import asyncio
import gc
import tracemalloc
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from servers.documents.addresses import Address
from servers.documents.contents import BYTES_MAX, TEXT_MAX
from servers.documents.formats.kinds import LIMIT_BYTES
from servers.documents.formats.parsed import Section
from servers.documents.ids import new_id
from servers.documents.keeping import keep
from servers.documents.preparing import Prepared
from shared.state.database import SET_CALLER, Transaction, connect
from tests.harness import Databases, Suite, modern, modern_headers
from tests.servers.documents.desk import some_collection
from tests.servers.documents.ingesting.workshop import Workshop

pytestmark = pytest.mark.anyio

READERS, PIECES = 8, 3
TEXT_CHARACTERS = 5_000_000
PICTURE, PICTURES = 3 * 2**20, 60
"""Bytes of one, and how many; pictures are kept without being read."""
MB = 2**20


@dataclass
class Held:
    """What Python's objects held at most, in bytes beyond what they held before."""

    peak: int = 0


@contextmanager
def traced() -> Generator[Held]:
    held = Held()
    gc.collect()
    tracemalloc.start()
    try:
        yield held
        held.peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def store(suite: Suite, path: str, prepared: Prepared) -> str:
    """The URI of a document of which nothing has to be parsed."""
    address = Address(some_collection(), path)
    wished = {"title": "Large", "summary": "", "labels": [], "classification": "internal", "readers": ["tenant"]}
    connection = await connect(suite.urls.app, "test")
    try:
        async with connection.transaction():
            await connection.execute(SET_CALLER, "acme", '{"class:internal",tenant}')
            await keep(Transaction(connection), "acme", "test", address, None, wished, prepared, new_id())
    finally:
        await connection.close()
    return address.uri


async def read_over_and_over(suite: Suite, uris: Sequence[str]) -> int:
    """How many bytes of answers eight readers got, who each read a few of the pieces and keep none."""
    token = suite.token("support", "documents")

    async def read(uri: str) -> int:
        params = {"uri": uri}
        headers = modern_headers("resources/read", params) | {"Authorization": f"Bearer {token}"}
        body = modern("resources/read", params)
        async with (
            suite.http() as client,
            client.stream("POST", suite.url("documents"), json=body, headers=headers) as response,
        ):
            assert response.status_code == 200
            return sum([len(piece) async for piece in response.aiter_raw()])

    async def read_some(number: int) -> int:
        return sum([await read(uris[(number + turn) % len(uris)]) for turn in range(PIECES)])

    return sum(await asyncio.gather(*map(read_some, range(READERS))))


async def test_eight_readers_of_the_largest_pdf_hold_a_few_pieces_of_it(suite: Suite) -> None:
    content = b"%PDF-1.7\n" + Random(1).randbytes(LIMIT_BYTES - 9)
    words = Section(0, 0, "", "top", 0, 4)
    uri = await store(suite, "a.pdf", Prepared(content, "application/pdf", "", "", (), "Text", (words,), ("",), (), ()))
    uris = [uri, *(f"{uri}?offset={start}" for start in range(BYTES_MAX, LIMIT_BYTES, BYTES_MAX))]
    del content
    with traced() as held:
        got = await read_over_and_over(suite, uris)
    assert got > READERS * PIECES * BYTES_MAX
    assert held.peak < READERS * 4 * BYTES_MAX


async def test_eight_readers_of_the_longest_text_hold_a_few_pieces_of_it(suite: Suite) -> None:
    text = ("Ein längerer Satz mit Umlauten über das Übliche. " * (TEXT_CHARACTERS // 49 + 1))[:TEXT_CHARACTERS]
    prepared = Prepared(
        text.encode(), "text/plain", "", "", (), text, (Section(0, 0, "", "top", 0, len(text)),), ("x",), (), ()
    )
    uri = await store(suite, "a.txt", prepared)
    uris = [uri, *(f"{uri}?offset={start}" for start in range(TEXT_MAX, TEXT_CHARACTERS, TEXT_MAX))][::6]
    del text, prepared
    with traced() as held:
        got = await read_over_and_over(suite, uris)
    assert got > READERS * PIECES * TEXT_MAX
    assert held.peak < READERS * 8 * TEXT_MAX + 8 * MB


async def test_an_ingest_holds_a_few_batches_of_a_folder(databases: Databases, tmp_path: Path) -> None:
    shop = Workshop.of(await databases.fresh(), databases.admin_url, tmp_path / "data", tmp_path / "folder")
    noise = Random(2).randbytes(PICTURE)
    for number in range(PICTURES):
        start = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + number.to_bytes(4, "big")
        shop.put({f"{number}.png": start + noise + b"\x00\x00\x00\x00IEND\xaeB`\x82"})
    del noise
    with traced() as held:
        report = await shop.ingest(workers=2)
    assert report.counts["added"] == PICTURES
    assert held.peak < PICTURE * PICTURES * 2 / 3
