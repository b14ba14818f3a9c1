"""Requests to the documents server, and what a right answer to each holds."""

from collections.abc import Iterator, Sequence
from itertools import count, cycle
from typing import Any
from uuid import uuid4

from servers.documents.addresses import uri_of
from tests.bench import asks
from tests.bench.documents.corpus import document
from tests.bench.load import Asks

WRITTEN = "bench-written"
"""The collection of what is written in a run; forgotten at its end."""

_DIFFERENT = 256
_KEY, _NUMBER = "k" * 32, "n" * 12


def searches(port: int, token: str, typed: Sequence[str], holds: str = '"found":[{') -> Asks:
    made = [asks.call(port, "search_documents", {"query": query}, holds, token) for query in typed]
    return lambda: cycle(made)


def sections(port: int, token: str, documents: int) -> Asks:
    """`read_section`, the third of each document or its last."""
    made: list[Any] = []
    for number in for_all(documents):
        found = document(number)
        section = found.prepared.sections[:3][-1]
        arguments = {"uri": uri_of(found.collection, found.path), "section": section.anchor}
        made.append(asks.call(port, "read_section", arguments, found.path, token))
    return lambda: cycle(made)


def tools(port: int, token: str, documents: int, tool: str) -> Asks:
    """A tool that takes the URI of a document, and no more."""
    return lambda: cycle([asks.call(port, tool, {"uri": uri}, '"isError":false', token) for uri in _uris(documents)])


def reads(port: int, token: str, documents: int) -> Asks:
    """`resources/read` of whole documents."""
    made = [asks.request(port, "resources/read", {"uri": uri}, uri, token) for uri in _uris(documents)]
    return lambda: cycle(made)


def pieces(port: int, token: str, uris: Sequence[str]) -> Asks:
    """`resources/read` of the pieces of large documents, one after the other."""
    made = [asks.request(port, "resources/read", {"uri": uri}, '"contents":[{', token) for uri in uris]
    return lambda: cycle(made)


def listing(port: int, token: str) -> Asks:
    made = [asks.request(port, "resources/list", {}, '"resources":[{', token)]
    return lambda: cycle(made)


def lists(port: int, token: str, **level: str) -> Asks:
    """`list_collection` of one level."""
    made = [asks.call(port, "list_collection", level, '"entries":[{', token)]
    return lambda: cycle(made)


def puts(port: int, token: str, documents: int) -> Asks:
    """`put_document`: a new one of usual size each time."""
    texts = [document(number).prepared.text for number in for_all(documents)[:16]]
    made = [
        asks.call(
            port,
            "put_document",
            {"uri": f"doc://{WRITTEN}/{_NUMBER}.md", "content": text, "idempotency_key": _KEY},
            '"document":{',
            token,
        )
        for text in texts
    ]

    def each() -> Iterator[asks.Ask]:
        run = uuid4().hex[:20]
        for number, like in zip(count(), cycle(made), strict=False):
            named = f"{run[:4]}{number:08}"
            request = like.request.replace(_KEY.encode(), f"{run}{number:012}".encode())
            yield asks.Ask(request.replace(_NUMBER.encode(), named.encode()), like.holds)

    return each


def for_all(documents: int) -> list[int]:
    """Numbers of documents that everybody in the tenant may read."""
    step = max(1, documents // (2 * _DIFFERENT))
    open_ones = [number for number in range(0, documents, step) if document(number).is_for_all]
    return open_ones[:_DIFFERENT]


def _uris(documents: int) -> list[str]:
    found = map(document, for_all(documents))
    return [uri_of(each.collection, each.path) for each in found]
