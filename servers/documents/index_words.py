"""What a document is found by: its words, and filters that stand among them so that one index answers for both."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from servers.documents.folding import fold
from servers.documents.preparing import Prepared
from servers.documents.rights import ORDER, rights
from shared.core.caller import Caller

TEXT_MAX = 200_000
"""Characters of one document, and of one section, that are searched: PostgreSQL's list of words has room for 1 MB."""

_MARK = "\x02"  # PostgreSQL's parser takes it for a blank: to_tsvector() makes no word with it, whatever the text
_LEXEME_MAX = 2046
"""Bytes: PostgreSQL's."""


def filters(
    tenant: str, collection: str, labels: Iterable[str], classification: str, readers: Iterable[str]
) -> list[str]:
    """The filters of one document."""
    named = [("tenant", tenant), ("collection", collection), ("class", classification)]
    named += [("label", label) for label in labels] + [("reader", reader) for reader in readers]
    return [_filter(kind, value) for kind, value in named]


def required(caller: Caller, collection: str | None = None, label: str | None = None) -> str:
    """What documents must have that this caller may be shown, as text of a `tsquery`."""
    words = rights(caller)
    cleared = [("class", word.removeprefix("class:")) for word in words if word.startswith("class:")]
    reading = [("reader", word) for word in words if not word.startswith("class:")]
    reading = [each for each in reading if len(_filter(*each).encode()) <= _LEXEME_MAX]  # no document has a longer one
    groups: list[Sequence[tuple[str, str]]] = [[("tenant", caller.tenant)], reading]
    groups += [cleared] if len(cleared) < len(ORDER) else []  # else every document has one
    groups += [[("collection", collection)]] if collection else []
    groups += [[("label", label)]] if label else []
    return " & ".join(f"({' | '.join(_quoted(_filter(*each)) for each in group)})" for group in groups)


def words_of(document: Mapping[str, Any], prepared: Prepared, tenant: str) -> dict[str, Any]:
    """The values of the statements in `saving.py` that store what the document is found by."""
    return {
        "title_words": fold(document["title"]),
        "heading_words": fold(" . ".join([*(s.heading for s in prepared.sections), *document["labels"]]))[:TEXT_MAX],
        "text_words": " ".join([fold(document["summary"]), *map(fold, prepared.plains)])[:TEXT_MAX],
        "filters": filters_of(document, tenant),
    }


def filters_of(document: Mapping[str, Any], tenant: str) -> list[str]:
    kept = (document[field] for field in ("collection", "labels", "classification", "readers"))
    return filters(tenant, *kept)


def _filter(kind: str, value: str) -> str:
    return f"{_MARK}{kind}:{value}"


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
