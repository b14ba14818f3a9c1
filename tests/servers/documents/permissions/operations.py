"""Everything that can be asked about one document, and what a caller who may read it must be told.

What one who may not is told is not here: exactly what is said of a document that was never there.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tests.servers.documents.permissions.canaries import COMMON, Document, World, anchor_of, text_of
from tests.servers.documents.permissions.oracle import Who
from tests.servers.documents.permissions.wire import Said

Params = dict[str, Any]
CONTENTS = "enterprise-mcp-suite/contents"


@dataclass(frozen=True)
class Cell:
    """One caller, one document, and what there is to judge an answer by."""

    world: World
    who: Who
    document: Document


@dataclass(frozen=True)
class Operation:
    """One question about a document.

    Attributes:
        verb: The scope of documents that it needs.
        shown: Whether the caller may be told.
        fits: Whether an answer is what it must be then.
        also: A word of the answer that no other answer may have.
    """

    name: str
    method: str
    params: Callable[[Document], Params]
    fits: Callable[[Cell, Said], bool]
    verb: str = "read"
    shown: Callable[[Document, Who], bool] = Document.shown_to
    also: Callable[[Document], str] | None = None


def _tool(name: str, **arguments: Any) -> Params:
    return {"name": name, "arguments": arguments}


def _parent(document: Document) -> str:
    """The URI of what lists it: a folder of the common collection, or a collection of its own."""
    is_common = document.collection == "common"
    return f"doc://{document.collection}/{document.folder}" if is_common else f"doc://{document.collection}"


def _names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["name"] for entry in entries]


def _in_parent(document: Document) -> list[str]:
    return [f"{document.word}.md" if document.collection == "common" else document.folder]


def _list(document: Document) -> Params:
    folder = {"folder": document.folder} if document.collection == "common" else {}
    return _tool("list_collection", collection=document.collection, **folder)


def _whole(cell: Cell, said: Said) -> bool:
    it, word = said.content, cell.document.word
    whole = (it["uri"], it["title"], it["text"], it["version"])
    return whole == (cell.document.uri, f"{word}title {COMMON}", text_of(word), 2)


def _outline(cell: Cell, said: Said) -> bool:
    it, word = said.content, cell.document.word
    sections = [section["section"] for section in it["sections"]]
    return (it["document"]["id"], sections[-1], it["characters"]) == (
        cell.document.id,
        anchor_of(word),
        len(text_of(word)),
    )


def _related(cell: Cell, said: Said) -> bool:
    """Links in both directions, then all others, which have a word of the title in common."""
    one, world = cell.document, cell.world
    others = [other for other in world.shown_to(cell.who) if other != one]
    expected = {other.uri: "similar" for other in others}
    expected |= {other.uri: "linked_from" for other in others if one in world.linked_from(other)}
    expected |= {other.uri: "links_to" for other in others if other in world.linked_from(one)}
    found = {found["uri"]: found["relation"] for found in said.content["found"]}
    return found == expected and said.content["advice"] is None


def _found(cell: Cell, said: Said) -> bool:
    it = said.content
    told = [hit["uri"] for hit in it["found"]], it["total"], it["next_cursor"], it["matched"]
    return told == ([cell.document.uri], 1, None, "all") and "**" in it["found"][0]["snippet"]


def _compared(cell: Cell, said: Said) -> bool:
    it, one = said.content, cell.document
    classes = [one.older_kind.classification, one.kind.classification]
    added = f"+{one.word}text and more." in it["diff"] and f"-{one.older}text and more." in it["diff"]
    return added and it["classification"] == classes and it["labels_removed"] == [f"{one.older}label"]


def _prompted(*words: Callable[[Document], str]) -> Callable[[Cell, Said], bool]:
    return lambda cell, said: all(word(cell.document) in str(said.result["messages"][1:]) for word in words)


def _text(said: Said) -> str:
    return said.result["contents"][0]["text"]


def _listed(cell: Cell, said: Said) -> bool:
    return _names(said.content["entries"]) == _in_parent(cell.document)


def _listed_as_resource(cell: Cell, said: Said) -> bool:
    return _names(json.loads(_text(said))["entries"]) == _in_parent(cell.document)


def _unchanged(cell: Cell, said: Said) -> bool:
    return said.result["contents"] == [] and said.result["_meta"][CONTENTS]["unchanged"] is True


def _conditional(document: Document) -> Params:
    digest = f"sha256:{sha256(text_of(document.word).encode()).hexdigest()}"
    return {"uri": document.uri, "_meta": {"enterprise-mcp-suite/if-none-match": digest}}


def _completion(document: Document) -> Params:
    return {
        "ref": {"type": "ref/resource", "uri": "doc://{collection}/{+path}{?version,section,offset}"},
        "argument": {"name": "path", "value": document.word},
        "context": {"arguments": {"collection": document.collection}},
    }


READS = (
    Operation("read", "tools/call", lambda one: _tool("read_section", uri=one.uri), _whole),
    Operation(
        "read as a resource", "resources/read", lambda one: {"uri": one.uri},
        lambda cell, said: _text(said) == text_of(cell.document.word),
    ),
    Operation(
        "search its word", "tools/call", lambda one: _tool("search_documents", query=f"{one.word}text"), _found
    ),
)  # fmt: skip
"""Asked by every caller."""

MORE = (
    Operation(
        "read a section", "tools/call",
        lambda one: _tool("read_section", uri=one.uri, section=anchor_of(one.word)),
        lambda cell, said: said.content["text"].startswith(f"## {cell.document.word}part\n"),
    ),
    Operation(
        "read the older version", "tools/call", lambda one: _tool("read_section", uri=one.uri, version=1),
        lambda cell, said: said.content["text"] == text_of(cell.document.older), shown=Document.older_shown_to,
    ),
    Operation(
        "read a section of the older version", "tools/call",
        lambda one: _tool("read_section", uri=one.uri, version=1, section=anchor_of(one.older)),
        lambda cell, said: said.content["text"].startswith(f"## {cell.document.older}part\n"),
        shown=Document.older_shown_to,
    ),
    Operation(
        "read the older version as a resource", "resources/read", lambda one: {"uri": f"{one.uri}?version=1"},
        lambda cell, said: _text(said) == text_of(cell.document.older), shown=Document.older_shown_to,
    ),
    Operation(
        "read the rest of a section as a resource", "resources/read",
        lambda one: {"uri": f"{one.uri}?section={anchor_of(one.word)}&offset=3"},
        lambda cell, said: _text(said).startswith(f"{cell.document.word}part\n"),
    ),
    Operation("read if it changed", "resources/read", _conditional, _unchanged),
    Operation("outline", "tools/call", lambda one: _tool("get_document_outline", uri=one.uri), _outline),
    Operation("related", "tools/call", lambda one: _tool("find_related", uri=one.uri, limit=25), _related),
    Operation(
        "compare", "tools/call", lambda one: _tool("compare_versions", uri=one.uri, from_version=1), _compared,
        shown=Document.older_shown_to,
    ),
    Operation(
        "search its label", "tools/call",
        lambda one: _tool("search_documents", query=COMMON, label=f"{one.word}label"), _found,
    ),
    Operation(
        "search its collection", "tools/call",
        lambda one: _tool("search_documents", query=f"{one.word}rest", collection=one.collection), _found,
    ),
    Operation("list what it is in", "tools/call", _list, _listed),
    Operation("read what it is in", "resources/read", lambda one: {"uri": _parent(one)}, _listed_as_resource),
    Operation(
        "complete its path", "completion/complete", _completion,
        lambda cell, said: said.result["completion"]["values"] == [cell.document.folder],
    ),
    Operation(
        "ask about it", "prompts/get",
        lambda one: _tool("answer_from_documents", question=f"{one.word}text"),
        _prompted(lambda one: one.uri, lambda one: f"{one.word}head"),
    ),
    Operation(
        "ask what changed", "prompts/get", lambda one: _tool("summarise_changes", uri=one.uri),
        _prompted(lambda one: f"+{one.word}text", lambda one: f"-{one.older}text"), shown=Document.older_shown_to,
    ),
)  # fmt: skip
"""Asked by every persona."""


def _written(cell: Cell, said: Said) -> bool:
    """A program has to say what becomes of a public document."""
    is_program = cell.who.persona.startswith("acme-") and cell.who.persona.endswith(("sync", "triage"))
    is_program = is_program or "act" in cell.who.claims
    if is_program and cell.document.kind.classification == "public":
        return said.content["error"]["code"] == "invalid"
    return said.content["document"]["id"] == cell.document.id


def _dry(name: str, **arguments: Any) -> Params:
    return _tool(name, dry_run=True, **arguments)


WRITES = (
    Operation(
        "write", "tools/call",
        lambda one: _dry("put_document", uri=one.uri, if_version=2, labels=["new"]), _written, verb="write",
    ),
    Operation(
        "move", "tools/call",
        lambda one: _dry("move_document", uri=one.uri, if_version=2, to=f"doc://common/{one.word}moved.md"),
        lambda cell, said: said.content["document"]["id"] == cell.document.id, verb="write",
    ),
    Operation(
        "archive", "tools/call", lambda one: _dry("archive_document", uri=one.uri, if_version=2),
        lambda cell, said: said.content["document_id"] == cell.document.id, verb="write",
    ),
    Operation(
        "restore", "tools/call", lambda one: _dry("restore_document", document_id=one.archived_id),
        lambda cell, said: said.content["document"]["id"] == cell.document.archived_id, verb="write",
        also=lambda one: one.put_away,
    ),
)  # fmt: skip
"""Asked by whoever may write, and one of them by whoever may not; all are dry runs."""


def operations(who: Who, personas: tuple[Who, ...]) -> Iterator[Operation]:
    yield from READS
    if who in personas:
        yield from MORE
    yield from WRITES if "write" in who.holds else WRITES[:1]
