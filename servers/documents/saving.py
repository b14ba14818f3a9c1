"""What is written, in SQL: a document, its versions, and what it is found by."""

from sqlalchemy import Integer, LargeBinary, String, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from shared.state.database import Statement

_TEXTS = ARRAY(String)
_NUMBERS = ARRAY(Integer)

# What a document is found by: title and headings weigh more than text. The filters are words no text has, so that
# the index answers for tenant, rights, collection and labels too.
_WORDS = """
    setweight(to_tsvector('documents.words', :title_words), 'A')
    || setweight(to_tsvector('documents.words', :heading_words), 'B')
    || to_tsvector('documents.words', :text_words)
    || array_to_tsvector(:filters)
"""
_TITLE_WORDS = "to_tsvector('documents.words', :title_words) || array_to_tsvector(:filters)"
_FOUND_BY = (
    bindparam("title_words", type_=String),
    bindparam("heading_words", type_=String),
    bindparam("text_words", type_=String),
    bindparam("filters", type_=_TEXTS),
)

INSERT = Statement(
    text(f"""
    INSERT INTO documents.documents
        (id, collection, path, stem, title, summary, media_type, size, digest, labels, classification, readers,
         updated_by, words, title_words)
    VALUES (:id, :collection, :path, :stem, :title, :summary, :media_type, :size, :digest, :labels, :classification,
            :readers, :updated_by, {_WORDS}, {_TITLE_WORDS})
    RETURNING version, updated_at
    """).bindparams(*_FOUND_BY, bindparam("labels", type_=_TEXTS), bindparam("readers", type_=_TEXTS))  # noqa: S608 - ours
)
UPDATE = Statement(
    text(f"""
    UPDATE documents.documents SET
        title = :title, summary = :summary, media_type = :media_type, size = :size, digest = :digest,
        labels = :labels, classification = :classification, readers = :readers, updated_by = :updated_by,
        version = version + 1, updated_at = clock_timestamp(), words = {_WORDS}, title_words = {_TITLE_WORDS}
    WHERE id = :id
    RETURNING version, updated_at
    """).bindparams(*_FOUND_BY, bindparam("labels", type_=_TEXTS), bindparam("readers", type_=_TEXTS))  # noqa: S608 - ours
)
KEEP_VERSION = Statement(
    text("""
    INSERT INTO documents.versions
        (document_id, version, title, summary, media_type, size, digest, labels, classification, content, text,
         characters, outline, found, written_by)
    VALUES (:id, :version, :title, :summary, :media_type, :size, :digest, :labels, :classification, :content, :text,
            :characters, :outline ::text::jsonb, :found, :updated_by)
    """).bindparams(
        bindparam("labels", type_=_TEXTS),
        bindparam("content", type_=LargeBinary),
        bindparam("text", type_=String),
        bindparam("found", type_=_TEXTS),
    )
)
FORGET_SECTIONS = Statement(text("DELETE FROM documents.sections WHERE document_id = :id"))
KEEP_SECTIONS = Statement(
    text("""
    INSERT INTO documents.sections (document_id, number, level, heading, anchor, start, stop, plain, words)
    SELECT :id, s.number, s.level, s.heading, s.anchor, s.start, s.stop, s.plain,
        setweight(to_tsvector('documents.words', s.heading_words), 'B') || to_tsvector('documents.words', s.text_words)
    FROM unnest(:numbers, :levels, :headings, :anchors, :starts, :stops, :plains, :headings_words, :texts_words)
        AS s (number, level, heading, anchor, start, stop, plain, heading_words, text_words)
    """).bindparams(
        *(bindparam(name, type_=_NUMBERS) for name in ("numbers", "levels", "starts", "stops")),
        *(bindparam(name, type_=_TEXTS) for name in ("headings", "anchors", "plains", "headings_words", "texts_words")),
    )
)
FORGET_LINKS = Statement(text("DELETE FROM documents.links WHERE document_id = :id"))
KEEP_LINKS = Statement(
    text("""
    INSERT INTO documents.links (document_id, number, collection, stem)
    SELECT :id, l.number, l.collection, l.stem
    FROM unnest(:collections, :stems) WITH ORDINALITY AS l (collection, stem, number)
    """).bindparams(bindparam("collections", type_=_TEXTS), bindparam("stems", type_=_TEXTS))
)
MOVE = Statement(
    text("""
    UPDATE documents.documents SET
        collection = :collection, path = :path, stem = :stem, updated_by = :updated_by, version = version + 1,
        updated_at = clock_timestamp(),
        words = ts_delete(words, :old_filters) || array_to_tsvector(:filters),
        title_words = ts_delete(title_words, :old_filters) || array_to_tsvector(:filters)
    WHERE id = :id
    RETURNING version, updated_at
    """).bindparams(bindparam("filters", type_=_TEXTS), bindparam("old_filters", type_=_TEXTS))
)
KEEP_SAME_VERSION = Statement(
    text("""
    INSERT INTO documents.versions
        (document_id, version, title, summary, media_type, size, digest, labels, classification, content, text,
         characters, outline, found, written_by)
    SELECT document_id, :version, title, summary, media_type, size, digest, labels, classification, content, text,
        characters, outline, found, :updated_by
    FROM documents.versions WHERE document_id = :id AND version = :from_version
    RETURNING version
    """)
)
ARCHIVE = Statement(
    text("""
    UPDATE documents.documents SET archived_at = clock_timestamp(), updated_by = :updated_by WHERE id = :id
    """)
)
RESTORE = Statement(text("UPDATE documents.documents SET archived_at = NULL, updated_by = :updated_by WHERE id = :id"))
