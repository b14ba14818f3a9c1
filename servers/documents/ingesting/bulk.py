"""What is written of many documents at once, in SQL; `servers.documents.saving` has the same for one."""

from typing import Any

from sqlalchemy import ARRAY, Integer, LargeBinary, String, bindparam, text
from sqlalchemy.types import TypeEngine

from shared.state.database import Statement

_TEXT, _NUMBER, _BYTES = ARRAY(String), ARRAY(Integer), ARRAY(LargeBinary)


def _statement(sql: str, **types: "TypeEngine[Any]") -> Statement:
    return Statement(text(sql).bindparams(*(bindparam(name, type_=kind) for name, kind in types.items())))


_FOUND_BY = """
    setweight(to_tsvector('documents.words', n.title_words), 'A')
    || setweight(to_tsvector('documents.words', n.heading_words), 'B')
    || to_tsvector('documents.words', n.text_words)
    || array_to_tsvector(n.filters::text[])
"""
_TITLE_WORDS = "to_tsvector('documents.words', n.title_words) || array_to_tsvector(n.filters::text[])"

# Arrays of arrays would have to be of one length: labels, readers and filters come as PostgreSQL spells an array.
_NEW = """
    unnest(:ids, :paths, :stems, :titles, :summaries, :media_types, :sizes, :digests, :labels, :classifications,
           :readers, :title_words, :heading_words, :text_words, :filters, :versions, :authors)
        AS n (id, path, stem, title, summary, media_type, size, digest, labels, classification,
              readers, title_words, heading_words, text_words, filters, version, author)
"""
_TEXTS_OF_NEW = (
    *("ids", "paths", "stems", "titles", "summaries", "media_types", "digests", "labels", "classifications"),
    *("readers", "title_words", "heading_words", "text_words", "filters", "authors"),
)
_TYPES_OF_NEW: dict[str, "TypeEngine[Any]"] = {
    **dict.fromkeys(_TEXTS_OF_NEW, _TEXT),
    **dict.fromkeys(("sizes", "versions"), _NUMBER),
}

# Whoever took one of the URIs meanwhile, or has it where this run cannot see it, keeps it.
INSERT = _statement(
    f"""
    INSERT INTO documents.documents
        (id, collection, path, stem, title, summary, media_type, size, digest, labels, classification, readers,
         updated_by, words, title_words)
    SELECT n.id, :collection, n.path, n.stem, n.title, n.summary, n.media_type, n.size, n.digest, n.labels::text[],
           n.classification, n.readers::text[], :author, {_FOUND_BY}, {_TITLE_WORDS}
    FROM {_NEW}
    ON CONFLICT DO NOTHING
    RETURNING id, version
    """,  # noqa: S608 - ours
    **_TYPES_OF_NEW,
    collection=String(),
    author=String(),
)

# Only those that are still as they were when this was decided.
UPDATE = _statement(
    f"""
    UPDATE documents.documents AS d SET
        title = n.title, summary = n.summary, media_type = n.media_type, size = n.size, digest = n.digest,
        labels = n.labels::text[], classification = n.classification, readers = n.readers::text[],
        updated_by = :author, version = d.version + 1, updated_at = clock_timestamp(), archived_at = NULL,
        words = {_FOUND_BY}, title_words = {_TITLE_WORDS}
    FROM {_NEW}
    WHERE d.id = n.id AND d.version = n.version AND d.collection = :collection AND d.path = n.path
        AND d.updated_by = n.author
    RETURNING d.id, d.version
    """,  # noqa: S608 - ours
    **_TYPES_OF_NEW,
    collection=String(),
    author=String(),
)

KEEP_VERSIONS = _statement(
    """
    INSERT INTO documents.versions
        (document_id, version, title, summary, media_type, size, digest, labels, classification, content, text,
         characters, outline, found, written_by)
    SELECT n.id, n.version, n.title, n.summary, n.media_type, n.size, n.digest, n.labels::text[], n.classification,
           n.content, n.text, length(n.text), n.outline::jsonb, n.found::text[],
           :author
    FROM unnest(:ids, :versions, :titles, :summaries, :media_types, :sizes, :digests, :labels, :classifications,
                :contents, :texts, :outlines, :founds)
        AS n (id, version, title, summary, media_type, size, digest, labels, classification, content, text, outline,
              found)
    """,
    **dict.fromkeys(
        (
            *("ids", "titles", "summaries", "media_types", "digests", "labels", "classifications"),
            *("texts", "outlines", "founds"),
        ),
        _TEXT,
    ),
    versions=_NUMBER,
    sizes=_NUMBER,
    contents=_BYTES,
    author=String(),
)

FORGET_SECTIONS = _statement("DELETE FROM documents.sections WHERE document_id = ANY(:ids)", ids=_TEXT)
KEEP_SECTIONS = _statement(
    """
    INSERT INTO documents.sections (document_id, number, level, heading, anchor, start, stop, plain, words)
    SELECT s.id, s.number, s.level, s.heading, s.anchor, s.start, s.stop, s.plain,
        setweight(to_tsvector('documents.words', s.heading_words), 'B') || to_tsvector('documents.words', s.text_words)
    FROM unnest(:ids, :numbers, :levels, :headings, :anchors, :starts, :stops, :plains, :heading_words, :text_words)
        AS s (id, number, level, heading, anchor, start, stop, plain, heading_words, text_words)
    """,
    **dict.fromkeys(("ids", "headings", "anchors", "plains", "heading_words", "text_words"), _TEXT),
    **dict.fromkeys(("numbers", "levels", "starts", "stops"), _NUMBER),
)

FORGET_LINKS = _statement("DELETE FROM documents.links WHERE document_id = ANY(:ids)", ids=_TEXT)
KEEP_LINKS = _statement(
    """
    INSERT INTO documents.links (document_id, number, collection, stem)
    SELECT l.id, l.number, l.collection, l.stem
    FROM unnest(:ids, :numbers, :collections, :stems) AS l (id, number, collection, stem)
    """,
    ids=_TEXT,
    numbers=_NUMBER,
    collections=_TEXT,
    stems=_TEXT,
)

ARCHIVE = _statement(
    """
    UPDATE documents.documents AS d SET archived_at = clock_timestamp(), updated_by = :author
    FROM unnest(:ids, :versions) AS n (id, version)
    WHERE d.id = n.id AND d.version = n.version AND d.archived_at IS NULL
    RETURNING d.id
    """,
    ids=_TEXT,
    versions=_NUMBER,
    author=String(),
)

ANNOUNCE = _statement("SELECT suite.announce('documents', :tenant, :uris)", tenant=String(), uris=_TEXT)
"""Whoever follows one of these is told, whichever replica they are behind (`shared.state.announcements`)."""
