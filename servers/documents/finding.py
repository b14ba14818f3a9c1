"""Searching, and snippets that show why something was found."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from servers.documents import queries
from servers.documents.answers import ENTRIES_MAX, Found, Hit
from servers.documents.arguments import Search
from servers.documents.folding import fold
from servers.documents.index_words import required
from servers.documents.search_words import wanted
from servers.documents.views import document_fields, fitting, note_secrets
from shared.core.tool import Call

RANKED_MAX = 500
"""Documents that are ranked: those with the words in the title before others."""

_LOOK_AT = 6000
_SNIPPET = 280
_BEFORE = 60
_EVER = {"since": datetime(1, 1, 1, tzinfo=UTC), "until": datetime(9999, 1, 1, tzinfo=UTC)}
_NO_WORDS = "No word to look for was left: very common words (the, and) are not searched."
_NOTHING = "Nothing was found that you may read. Try fewer or other words, or browse with list_collection."


async def find(call: Call, query: Search) -> Found:
    words = wanted(query.query)
    if not words.all:
        return Found(found=[], matched="all", total=0, total_is_exact=True, advice=_NO_WORDS)
    skip, way = call.cursors.open(query.cursor, query) if query.cursor else (0, 0)
    rows = await _rows(call, query, words.ways[way], skip)
    while not rows and not skip and way + 1 < len(words.ways):
        way += 1
        rows = await _rows(call, query, words.ways[way], skip)
    note_secrets(call, *rows)
    found = await _hits(call, words.ways[way]["wanted"], rows)
    found = found[: fitting(found, ENTRIES_MAX)]
    total: int = rows[0]["total"] if rows else 0
    more = bool(found) and skip + len(found) < total
    return Found(
        found=found,
        matched="any" if way else "all",
        total=total,
        # of those with some of the words only so many are looked for that a tenth of the most is reached
        total_is_exact=total < (RANKED_MAX // 10 if way else RANKED_MAX),
        next_cursor=call.cursors.seal([skip + len(found), way], query) if more else None,
        advice=None if found else _NOTHING,
    )


async def _rows(call: Call, query: Search, way: Mapping[str, Any], skip: int) -> list[Mapping[str, Any]]:
    return await call.database.rows(
        queries.SEARCH,
        **way,
        required=required(call.caller, query.collection, query.label),
        since=query.updated_after or _EVER["since"],
        until=query.updated_before or _EVER["until"],
        most=RANKED_MAX,
        skip=skip,
        limit=query.limit,
        look_at=_LOOK_AT,
    )


async def similar(call: Call, words: str, limit: int) -> list[Mapping[str, Any]]:
    """Documents with any of the words, as `to_tsquery` takes them, the best first."""
    any_of: dict[str, Any] = {"wanted": words, "each": [], "absent": "", "phrases": []}
    return await call.database.rows(
        queries.SIMILAR, **any_of, required=required(call.caller), most=RANKED_MAX, skip=0, limit=limit, **_EVER
    )


async def _hits(call: Call, wanted: str, rows: Sequence[Mapping[str, Any]]) -> list[Hit]:
    plains = [row["plain"] or "" for row in rows]
    # Folded here: PostgreSQL's translate() compares every character with every one it might stand for.
    marked = await call.database.rows(queries.MARKED, wanted=wanted, texts=[*map(fold, plains)]) if rows else []
    return [
        Hit(
            **document_fields(row),
            section=row["anchor"],
            heading=row["heading"] or None,
            snippet=snippet(plain, text["marked"]),
        )
        for row, plain, text in zip(rows, plains, marked, strict=True)
    ]


def snippet(plain: str, marked: str) -> str:
    """The piece of `plain` with the most that was found, that between `**`.

    Args:
        plain: The text.
        marked: The same, as long, but for marks (U+0002 and U+0003) around what was found.
    """
    spans = _spans(marked)
    if not spans:
        return plain[:_SNIPPET].strip() + ("…" if len(plain) > _SNIPPET else "")
    begin = max(spans, key=lambda span: sum(span[0] <= start < span[0] + _SNIPPET - _BEFORE for start, _ in spans))[0]
    start = plain.rfind(" ", 0, max(0, begin - _BEFORE)) + 1 if begin > _BEFORE else 0
    stop = min(len(plain), start + _SNIPPET)
    stop = stop if stop == len(plain) else max(plain.rfind(" ", start, stop), begin + 1)
    shown: list[str] = ["…" if start else ""]
    at = start
    for first, last in spans:
        if first >= start and last <= stop:
            shown += [plain[at:first], "**", plain[first:last], "**"]
            at = last
    return "".join([*shown, plain[at:stop], "…" if stop < len(plain) else ""])


def _spans(marked: str) -> list[tuple[int, int]]:
    """Where the marks were, in the text without them."""
    spans: list[tuple[int, int]] = []
    at = 0
    for piece in marked.split("\x02"):
        found, end, after = piece.partition("\x03")
        if end:
            spans.append((at, at + len(found)))
        at += len(found) + len(after)
    return spans
