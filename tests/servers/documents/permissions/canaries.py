"""Documents of every kind, in which each word of title, text, labels and path is a word of that document alone: seen in
any answer, it tells which document the answer is of.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from string import ascii_lowercase
from typing import Any

from servers.documents.addresses import Address, stem_of
from servers.documents.ids import new_id
from servers.documents.keeping import keep
from servers.documents.preparing import prepare
from shared.state.database import SET_CALLER, Transaction, as_array, connect
from tests.harness import Suite
from tests.servers.documents.permissions.oracle import CLASSES, KINDS, READERS, Kind, Who, may_read

COMMON = "marigold"
"""A word in the title of every document."""
TAG = "everywhere"
"""A label of every document."""
MISSING = "zqmissin"
"""The word of a document that was never there."""
CANARY = re.compile("zq[a-z]{6}")
_LINKS = (1, 5)
_OLDER = 7


@dataclass(frozen=True)
class Document:
    """One document, its earlier version, and another one like it that was put away.

    Attributes:
        word: In everything of it: `zqaaaaab` in the title `zqaaaaabtitle`, and so on.
        older: The word of version 1, which is of another kind.
        id: As the server has it.
        archived_id: Of the one that was put away.
    """

    number: int
    tenant: str
    kind: Kind
    older_kind: Kind
    id: str = field(default_factory=new_id)
    archived_id: str = field(default_factory=new_id)

    @cached_property
    def word(self) -> str:
        return _word(self.tenant, "n", self.number)

    @cached_property
    def older(self) -> str:
        return _word(self.tenant, "o", self.number)

    @cached_property
    def put_away(self) -> str:
        return _word(self.tenant, "a", self.number)

    @property
    def collection(self) -> str:
        """One that all have, or one of its own: then its name is a secret too."""
        return "common" if self.number % 2 else f"{self.word}-c"

    @property
    def folder(self) -> str:
        return f"{self.word}dir/"

    @property
    def path(self) -> str:
        return f"{self.folder}{self.word}.md"

    @property
    def uri(self) -> str:
        return f"doc://{self.collection}/{self.path}"

    def shown_to(self, who: Who) -> bool:
        return may_read(who, self.tenant, self.kind)

    def older_shown_to(self, who: Who) -> bool:
        return may_read(who, self.tenant, self.kind, self.older_kind)

    def words_for(self, who: Who) -> set[str]:
        """The words of it that this caller may be given; that of the one put away only where it is brought back."""
        shown = {self.word} if self.shown_to(who) else set[str]()
        return shown | ({self.older} if self.older_shown_to(who) else set())


def _word(tenant: str, which: str, number: int) -> str:
    first, second = ascii_lowercase[number // 26], ascii_lowercase[number % 26]
    return f"zq{tenant[0]}{which}{first}{second}bk"


def text_of(word: str) -> str:
    return f"# {word}head {COMMON}\n\n{word}text and more.\n\n## {word}part\n\n{word}rest of it.\n"


def anchor_of(word: str) -> str:
    return f"{word}part"


@dataclass(frozen=True)
class World:
    """All documents there are."""

    documents: tuple[Document, ...]

    def of(self, tenant: str) -> list[Document]:
        return [document for document in self.documents if document.tenant == tenant]

    def shown_to(self, who: Who) -> list[Document]:
        return [document for document in self.documents if document.shown_to(who)]

    def words_for(self, who: Who) -> set[str]:
        return {word for document in self.documents for word in document.words_for(who)}

    def linked_from(self, document: Document) -> Iterator[Document]:
        """The documents it links to."""
        others = self.of(document.tenant)
        at = others.index(document)
        yield from (others[(at + step) % len(others)] for step in _LINKS)


def world() -> World:
    """Every kind in one tenant, each as another kind before; one of each class in the other."""
    ours = [Document(n, "acme", kind, KINDS[(n + _OLDER) % len(KINDS)]) for n, kind in enumerate(KINDS)]
    theirs = [
        Document(n, "globex", kind, kind)
        for n, kind in enumerate(Kind(each, READERS[-1 if each == "restricted" else 0]) for each in CLASSES)
    ]
    return World((*ours, *theirs))


async def fill(suite: Suite, made: World) -> None:
    """Have these documents in the database, and no others."""
    issuer = suite.provider.issuer
    words = [*(f"class:{each}" for each in CLASSES), *{_at(reader, issuer) for one in READERS for reader in one}]
    await suite.sql("TRUNCATE documents.documents CASCADE")
    connection = await connect(suite.urls.app, "test")
    try:
        for tenant in ("acme", "globex"):
            async with connection.transaction():
                await connection.execute(SET_CALLER, tenant, as_array(words))
                for document in made.of(tenant):
                    await _keep(Transaction(connection), document, issuer)
                for document in made.of(tenant):
                    await _link(connection, document, [*made.linked_from(document)])
        await connection.execute("ANALYZE documents.documents")
    finally:
        await connection.close()


async def _keep(transaction: Transaction, one: Document, issuer: str) -> None:
    where = Address(one.collection, one.path)
    before = await _version(transaction, one, where, None, one.older, one.older_kind, one.id, issuer)
    await _version(transaction, one, where, before, one.word, one.kind, one.id, issuer)
    away = Address("common", f"{one.put_away}.md")
    await _version(transaction, one, away, None, one.put_away, one.kind, one.archived_id, issuer)
    statement = "UPDATE documents.documents SET archived_at = now() WHERE id = $1"
    await transaction.connection.execute(statement, one.archived_id)


async def _version(
    transaction: Transaction,
    one: Document,
    where: Address,
    before: Any,
    word: str,
    kind: Kind,
    given_id: str,
    issuer: str,
) -> Any:
    wished = {
        "title": f"{word}title {COMMON}",
        "summary": f"{word}summary",
        "labels": [f"{word}label", TAG],
        "classification": kind.classification,
        "readers": sorted(_at(reader, issuer) for reader in kind.readers),
    }
    prepared = await prepare(where.collection, where.path, text_of(word).encode())
    return await keep(transaction, one.tenant, "test", where, before, wished, prepared, given_id)


async def _link(connection: Any, one: Document, targets: Sequence[Document]) -> None:
    """As if the text did; it does not, since the URIs of others would be words of theirs."""
    statement = "INSERT INTO documents.links (document_id, number, collection, stem) VALUES ($1, $2, $3, $4)"
    for number, target in enumerate(targets, 1):
        await connection.execute(statement, one.id, number, target.collection, stem_of(target.path))


def _at(reader: str, issuer: str) -> str:
    return reader.replace("@OWN", f"@{issuer}")
