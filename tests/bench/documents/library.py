"""The documents' tables at size: generated documents, stored by the statements of an ingest."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from servers.documents import folding, index_words, preparing
from servers.documents.folding import fold
from servers.documents.index_words import TEXT_MAX, words_of
from servers.documents.ingesting import bulk, storing
from servers.documents.ingesting.readying import Ready
from servers.documents.ingesting.storing import Item
from servers.documents.preparing import digest_of
from servers.documents.rights import EVERYBODY, ORDER
from servers.documents.search_words import wanted
from shared.state.database import SET_CALLER, Transaction, as_array, connect
from shared.state.roles import Urls
from shared.state.services import SUITE_REVISIONS
from tests.bench.documents import corpus
from tests.bench.documents.corpus import Made
from tests.bench.documents.queries import queries
from tests.bench.stores import ROOT, Facts, Stores

TENANT, OTHER = "acme", "globex"
OTHERS_SHARE = 5
"""The other tenant has one document for so many of ours: its first are the same, word for word."""

_DOCUMENTS = ROOT / "servers" / "documents"
_BATCH, _WRITERS = 100, 3
_EVERY_READER = {reader for _, _, readers in corpus.GUARDED for reader in readers}
RIGHTS = as_array([*(f"class:{each}" for each in ORDER), *sorted(_EVERY_READER | {EVERYBODY})])

_FITTING = """
SELECT count(*) FROM documents.documents
WHERE tenant_id = $1 AND words @@ to_tsquery('documents.words', $2)
"""


async def library(stores: Stores, count: int) -> tuple[Urls, Facts]:
    """So many documents of one tenant, and a fifth as many of another; and how many fit each query."""

    async def store(urls: Urls, admin: Any) -> Facts:
        await fill(urls, TENANT, range(count))
        await fill(urls, OTHER, range(count // OTHERS_SHARE))
        await admin.execute("TRUNCATE suite.announcements")  # nobody follows
        await admin.execute("VACUUM (ANALYZE) documents.documents, documents.versions, documents.sections")
        fitting = {kind: await admin.fetchval(_FITTING, TENANT, wanted(typed).all) for kind, typed in queries().items()}
        total = "SELECT sum(size) FROM documents.documents WHERE tenant_id = $1"
        sections = "SELECT count(*) FROM documents.sections WHERE tenant_id = $1"
        return {
            "documents": count,
            "fitting": fitting,
            "bytes": int(await admin.fetchval(total, TENANT)),
            "sections": await admin.fetchval(sections, TENANT),
        }

    return await stores.kept(f"documents_{count}", _sources(), store)


async def fill(urls: Urls, tenant: str, numbers: range) -> None:
    """Store the documents of these numbers."""
    batches = _batches(tenant, numbers)
    await asyncio.gather(*(_write(urls, tenant, batches) for _ in range(_WRITERS)))


async def _write(urls: Urls, tenant: str, batches: Iterator[Mapping[str, Sequence[Item]]]) -> None:
    connection = await connect(urls.app, "bench")
    try:
        for batch in batches:
            async with connection.transaction():
                await connection.execute(SET_CALLER, tenant, RIGHTS)
                for collection, items in batch.items():
                    await storing.write(Transaction(connection), tenant, "bench", collection, items)
    finally:
        await connection.close()


def _batches(tenant: str, numbers: range) -> Iterator[Mapping[str, Sequence[Item]]]:
    """By collection."""
    left = iter(numbers)
    while some := list(islice(left, _BATCH * len(corpus.COLLECTIONS))):
        by_collection: dict[str, list[Item]] = {}
        for number in some:
            made = corpus.document(number)
            by_collection.setdefault(made.collection, []).append(item(tenant, number, made))
        yield by_collection


def item(tenant: str, number: int, made: Made) -> Item:
    """As an ingest stores it."""
    prepared = made.prepared
    wished: dict[str, Any] = {
        "title": prepared.title,
        "summary": prepared.summary,
        "labels": list(made.labels),
        "classification": made.classification,
        "readers": list(made.readers),
    }
    ready = Ready(
        prepared,
        wished,
        words_of({**wished, "collection": made.collection}, prepared, tenant),
        tuple(fold(section.heading) for section in prepared.sections),
        tuple(fold(plain)[:TEXT_MAX] for plain in prepared.plains),
        (),
    )
    content = prepared.content
    return Item(made.path, "added", f"D-{number:010}", None, content, digest_of(content), ready)


def _sources() -> list[Path]:
    revisions = [*(_DOCUMENTS / "migrations").glob("*.py"), *SUITE_REVISIONS.glob("*.py")]
    modules = (corpus, bulk, storing, folding, index_words, preparing)
    return [*revisions, Path(__file__), *(Path(str(module.__file__)) for module in modules)]
