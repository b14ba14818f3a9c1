from base64 import b64encode
from typing import Annotated
from urllib.parse import quote

from pydantic import Field

from shared.core.errors import NotFound
from shared.core.tool import (
    Answer,
    Arguments,
    Begun,
    Call,
    Contents,
    Cut,
    Link,
    Listed,
    Page,
    Risk,
    Suggestions,
    WriteArguments,
)
from shared.core.toolset import Toolset
from shared.steps.redaction import Sensitive, Untrusted, mask_email
from tests.shelf.books import BOOKS, PART, TAKEN, Book

tools = Toolset()

PAGE = 4

Collection = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Path = Annotated[str, Field(max_length=512)]
Number = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")]
"""A URI holds text: a number has one spelling only if its pattern says so."""


class InCollection(Arguments):
    collection: Collection


class InFolder(Arguments):
    collection: Collection
    folder: Path


class InBook(Arguments):
    collection: Collection
    path: Path
    version: Number | None = None
    section: Annotated[str | None, Field(max_length=64)] = None
    offset: Number | None = None
    if_none_match: Annotated[str | None, Field(max_length=128)] = None


class Words(Arguments):
    word: Annotated[str, Field(max_length=100)]


class Touch(WriteArguments):
    uri: str


class BookLink(Link):
    title: Annotated[str | None, Untrusted()] = None
    owner: Annotated[str, Sensitive("shelf:pii", mask_email)]


class BookContents(Contents):
    text: Annotated[str | None, Untrusted()] = None
    title: Annotated[str, Untrusted()]


class Index(Answer):
    of: str
    paths: list[str]


class Found(Answer):
    found: list[BookLink]
    in_all: int


class Touched(Answer):
    uri: str


@tools.listing("shelf:read")
async def list_books(call: Call, query: Page) -> Listed:
    """All books, in order."""
    start = call.cursors.open(query.cursor, query)[0] if query.cursor is not None else 0
    names = [*BOOKS][start : start + PAGE]
    more = call.cursors.seal([start + PAGE], query) if start + PAGE < len(BOOKS) else None
    return Listed(resources=[_link(name) for name in names], next_cursor=more)


@tools.resource("shelf://{collection}", "shelf:read")
async def read_collection(call: Call, query: InCollection) -> Index:
    """What is in a collection."""
    del call
    return _index(f"{query.collection}/")


@tools.resource("shelf://{collection}/{+folder}/", "shelf:read")
async def read_folder(call: Call, query: InFolder) -> Index:
    """What is in a folder."""
    del call
    return _index(f"{query.collection}/{query.folder}/")


@tools.resource("shelf://{collection}/{+path}{?version,section,offset}", "shelf:read", watchable=True)
async def read_book(call: Call, query: InBook) -> BookContents:
    """A book."""
    del call
    name = f"{query.collection}/{query.path}"
    book = BOOKS.get(name)
    version = int(query.version) if query.version else len(book.versions) if book else 0
    if book is None or version > len(book.versions) or query.section is not None:
        raise NotFound("There is no such book.")
    if query.if_none_match in {"*", book.digest(version)}:
        return _contents(book, version)
    TAKEN.append(name)
    held = book.versions[version - 1]
    if isinstance(held, bytes):
        return _contents(book, version, blob=b64encode(held).decode())
    if query.collection == "long":
        start = int(query.offset or 0)
        cut = _cut(name, start, len(held))
        return _contents(book, version, text=held[start : start + PART], cut=cut)
    return _contents(book, version, text=held)


@tools.read("shelf:read", links="found")
async def find_books(call: Call, query: Words) -> Found:
    """Find books by a word in their titles."""
    del call
    found = [_link(name) for name, book in BOOKS.items() if query.word.lower() in book.title.lower()]
    return Found(found=found, in_all=len(BOOKS))


@tools.write("shelf:write", risk=Risk.LOW)
async def touch_book(call: Call, query: Touch) -> Touched:
    """Say that a book changed."""
    call.changed(query.uri)
    return Touched(uri=query.uri)


@tools.completion("path", "shelf:read")
async def complete_path(call: Call, query: Begun) -> Suggestions:
    """Paths in the collection that was chosen before."""
    del call
    start = f"{query.context.get('collection', '')}/"
    paths = [name.removeprefix(start) for name in BOOKS if name.startswith(start)]
    return Suggestions(values=[path for path in paths if path.startswith(query.value)])


def _index(start: str) -> Index:
    paths = [name.removeprefix(start) for name in BOOKS if name.startswith(start)]
    if not paths:
        raise NotFound("There is no such folder.")
    return Index(of=start, paths=paths)


def _cut(name: str, start: int, total: int) -> Cut:
    shown = max(min(PART, total - start), 0)
    rest = f"{uri_of(name)}?offset={start + shown}" if start + shown < total else None
    return Cut(start=start, shown=shown, total=total, rest=rest)


def _contents(
    book: Book, version: int, text: str | None = None, blob: str | None = None, cut: Cut | None = None
) -> BookContents:
    return BookContents(
        text=text,
        blob=blob,
        mime_type=book.mime_type,
        title=book.title,
        digest=book.digest(version),
        version=version,
        size=book.size(version),
        last_modified=book.written,
        cut=cut,
    )


def _link(name: str) -> BookLink:
    book = BOOKS[name]
    return BookLink(
        uri=uri_of(name),
        name=name,
        title=book.title,
        mime_type=book.mime_type,
        size=book.size(len(book.versions)),
        last_modified=book.written,
        priority=0.5,
        owner=book.owner,
    )


def uri_of(name: str) -> str:
    """The URI of a book, as its template spells it."""
    return "shelf://" + quote(name, safe="/")
