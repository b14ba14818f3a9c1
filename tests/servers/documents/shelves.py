"""Tens of thousands of small documents, straight by SQL, with what the server's own statements would store of them."""

from typing import Any

from servers.documents.index_words import filters
from shared.state.database import as_array

COLLECTIONS = ("guide", "archive")
GUARDED = (
    ("internal", ("tenant",)),
    ("public", ("tenant",)),
    ("confidential", ("tenant",)),
    ("restricted", ("role:a",)),
)
EACH_RARE, EACH_TITLED, EACH_PHRASE = 5_000, 250, 2_000

# `left` and `right` are in every document, and side by side in few. The words of a sentence go around in circles, so
# that each is in a share of the documents that its number tells.
_TEXT = f"""
    'common left' || (CASE WHEN n % {EACH_PHRASE} = 3 THEN ' ' ELSE ' between ' END) || 'right'
    || (CASE WHEN n % {EACH_RARE} = 7 THEN ' rare' ELSE '' END) || (CASE WHEN n % 2 = 0 THEN ' half' ELSE '' END)
    || ' third' || n % 3 || ' tenth' || n % 10 || ' fiftieth' || n % 50 || ' hundredth' || n % 100 || ' name' || n
"""
_TITLE = f"'Page ' || n || (CASE WHEN n % {EACH_TITLED} = 1 THEN ' titled' ELSE '' END)"

# In an order in which the tenants' rows lie among each other's.
_FILL = f"""
CREATE TEMP TABLE made ON COMMIT DROP AS
SELECT tenant, 'D-' || lpad(n::text, 10, '0') AS id, collection, classification, readers, filters, n,
    'area-' || n % 20 || '/part-' || n % 7 || '/page-' || n || '.md' AS path,
    'area-' || n % 20 || '/part-' || n % 7 || '/page-' || n AS stem,
    'area-' || (n + 1) % 20 || '/part-' || (n + 1) % 7 || '/page-' || n + 1 AS next_stem,
    {_TITLE} AS title, {_TEXT} AS text
FROM generate_series(0, $2 - 1) AS n
JOIN unnest($1::text[], $3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY
    AS kind (tenant, collection, classification, readers, filters, place) ON kind.place - 1 = n % cardinality($1)
ORDER BY n * 7919 % $2;

"""
_INSERTS = """
INSERT INTO documents.documents
    (tenant_id, id, collection, path, stem, title, summary, media_type, size, digest, labels, classification, readers,
     updated_at, updated_by, words, title_words)
SELECT tenant, id, collection, path, stem, title, '', 'text/markdown', length(text), 'sha256:x', '{}', classification,
    readers::text[], '2026-01-01'::timestamptz + n * interval '1 second', 'test',
    setweight(to_tsvector('documents.words', title), 'A') || to_tsvector('documents.words', text)
        || array_to_tsvector(filters::text[]),
    to_tsvector('documents.words', title) || array_to_tsvector(filters::text[])
FROM made;
INSERT INTO documents.versions
    (tenant_id, document_id, version, title, summary, media_type, size, digest, labels, classification, readers,
     content, text, characters, found, outline, written_by)
SELECT tenant, id, 1, title, '', 'text/markdown', length(text), 'sha256:x', '{}', classification, readers::text[],
    convert_to(text, 'UTF8'), text, length(text), '{}', '[[1, "Page", "page", 0, 11], [2, "Rest", "rest", 11, 1000]]',
    'test'
FROM made;
INSERT INTO documents.sections (tenant_id, document_id, number, level, heading, anchor, start, stop, plain, words)
SELECT tenant, id, 0, 1, 'Page', 'page', 0, 11, 'common left', to_tsvector('documents.words', 'common left') FROM made
UNION ALL
SELECT tenant, id, 1, 2, 'Rest', 'rest', 11, length(text), text, to_tsvector('documents.words', text) FROM made;
INSERT INTO documents.links (tenant_id, document_id, number, collection, stem)
SELECT tenant, id, 1, collection, next_stem FROM made;
"""


async def fill(admin: Any, shares: dict[str, int], count: int) -> None:
    """Store documents.

    Args:
        admin: A superuser's connection: row-level security and foreign keys would take most of the time.
        shares: How many kinds of documents of each tenant there are, of which `count` goes around in circles.
        count: Of all tenants together.
    """
    kinds: list[tuple[str, str, str, tuple[str, ...]]] = [
        (tenant, COLLECTIONS[number % 2], *GUARDED[number % len(GUARDED)])
        for tenant, share in shares.items()
        for number in range(share)
    ]
    async with admin.transaction():
        # VACUUM does not mark rows visible whose commit is not on the disk yet; tests do not wait for it elsewhere.
        await admin.execute("SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = on")
        await admin.execute(
            _FILL,
            [tenant for tenant, *_ in kinds],
            count,
            [collection for _, collection, *_ in kinds],
            [classification for *_, classification, _ in kinds],
            [as_array(readers) for *_, readers in kinds],
            [as_array(filters(tenant, collection, [], secrecy, who)) for tenant, collection, secrecy, who in kinds],
        )
        for statement in _INSERTS.split(";\n")[:-1]:
            await admin.execute(statement)
    await admin.execute("VACUUM (ANALYZE) documents.documents, documents.sections, documents.versions, documents.links")
