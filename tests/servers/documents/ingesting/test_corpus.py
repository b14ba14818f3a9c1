"""A real corpus: the documentation of the Model Context Protocol, kept beside the repository."""

from pathlib import Path

import pytest

from servers.documents.ingesting.reporting import Report
from shared.state.roles import Urls
from tests.harness import Databases
from tests.servers.documents.ingesting.workshop import Workshop

CORPUS = Path(__file__).parents[5] / "shared" / "data" / "documents"
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the repository"),
]


@pytest.fixture(scope="module")
async def corpus(urls: Urls, databases: Databases, data: Path) -> Workshop:
    return Workshop.of(urls, databases.admin_url, data, CORPUS)


@pytest.fixture(scope="module")
async def first(corpus: Workshop) -> Report:
    return await corpus.ingest("public", workers=2)


async def test_every_file_of_the_corpus_becomes_a_document(corpus: Workshop, first: Report) -> None:
    assert {what: count for what, count in first.counts.items() if count} == {"found": 345, "added": 345}
    assert (first.notes, first.read) == ([], 6_851_854)
    [kinds] = await corpus.sql(
        "SELECT count(*) FILTER (WHERE media_type = 'text/mdx') AS mdx,"
        " count(*) FILTER (WHERE path = 'LICENSE') AS text,"
        " sum(size) AS bytes, min(version) AS first, max(version) AS last"
        " FROM documents.documents WHERE collection = $1",
        corpus.collection,
    )
    assert tuple(kinds) == (344, 1, 6_851_854, 1, 1)
    [parts] = await corpus.sql(
        "SELECT (SELECT count(*) FROM documents.versions AS v WHERE v.document_id = ANY(array_agg(d.id))) AS versions,"
        " (SELECT count(*) FROM documents.sections AS s WHERE s.document_id = ANY(array_agg(d.id))) AS sections"
        " FROM documents.documents AS d WHERE collection = $1",
        corpus.collection,
    )
    assert tuple(parts) == (345, 6_451)


async def test_every_text_is_whole_and_its_sections_tile_it(corpus: Workshop, first: Report) -> None:
    assert first.outcome == "ok"
    broken = await corpus.sql(
        "SELECT d.path FROM documents.documents AS d JOIN documents.versions AS v ON v.document_id = d.id"
        " LEFT JOIN LATERAL ("
        "   SELECT string_agg(substr(v.text, s.start + 1, s.stop - s.start), '' ORDER BY s.number) AS joined"
        "   FROM documents.sections AS s WHERE s.document_id = d.id) AS parts ON true"
        " WHERE collection = $1 AND d.size < 100000"
        " AND (joined IS DISTINCT FROM v.text OR length(v.text) <> v.characters"
        "   OR v.digest <> 'sha256:' || encode(sha256(v.content), 'hex') OR d.digest <> v.digest)",
        corpus.collection,
    )
    assert broken == []


async def test_a_second_run_over_the_corpus_changes_nothing(corpus: Workshop, first: Report) -> None:
    assert first.outcome == "ok"
    before = await corpus.state()
    second = await corpus.ingest("public", workers=2, prune=True)
    assert {what: count for what, count in second.counts.items() if count} == {"found": 345, "unchanged": 345}
    assert await corpus.state() == before


async def test_links_of_the_corpus_lead_to_its_documents(corpus: Workshop, first: Report) -> None:
    assert first.outcome == "ok"
    [links] = await corpus.sql(
        "SELECT count(*) AS all, count(t.id) AS here FROM documents.documents AS d"
        " JOIN documents.links AS l ON l.document_id = d.id"
        " LEFT JOIN documents.documents AS t ON (t.collection, t.stem) = (l.collection, l.stem)"
        " WHERE d.collection = $1",
        corpus.collection,
    )
    assert tuple(links) == (1_095, 1_001)
    rows = await corpus.sql(
        "SELECT l.stem FROM documents.documents AS d JOIN documents.links AS l ON l.document_id = d.id"
        " WHERE d.collection = $1 AND d.path = 'docs/2025-06-18/learn/architecture.mdx' ORDER BY l.number",
        corpus.collection,
    )
    assert [row["stem"] for row in rows] == [
        *("docs/2025-06-18/sdk", "specification/2025-06-18/basic/lifecycle"),
        *("docs/2025-06-18/learn/server-concepts", "docs/2025-06-18/learn/client-concepts"),
    ]
