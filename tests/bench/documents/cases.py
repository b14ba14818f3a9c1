"""What is asked of the documents server, and by whom."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.state.roles import Urls
from tests.bench.documents import asks
from tests.bench.documents.queries import queries, questions
from tests.bench.idp import Who
from tests.bench.load import Asks
from tests.bench.rounds import Case
from tests.bench.stores import Facts
from tests.bench.targets import Makers, Target

EVERYTHING = Who("manager", "documents:restricted")
LITTLE = Who("support", "documents:read")
WRITER = Who("manager", "documents:write")

SEARCHING, READING, BROWSING, WRITING = "Searching", "Reading", "Browsing", "Writing"
AT_ONCE = 8

SAID = {
    "rare": "a rare word",
    "common": "the commonest word",
    "two": "two common words",
    "phrase": "two common words that stand together",
    "prefix": "the beginning of a word",
    "either": "one word or another, and a third",
    "absent": "a word, and not another",
    "many": "eight words",
    "question": "a question in everyday words, of which no document has all",
}
_ALSO_FEW = ("rare", "common", "phrase", "question")


@dataclass(frozen=True)
class Library:
    """The database of a run."""

    urls: Urls
    facts: Facts

    @property
    def documents(self) -> int:
        return self.facts["documents"]


def cases(makers: Makers, library: Library) -> Iterator[Case]:
    yield from searches(makers, library)
    yield from reads(makers, library)
    yield from lists(makers, library)
    target = makers.served("writer", library.urls, WRITER, "documents")
    puts = asks.puts(target.port, _token(target), library.documents)
    yield Case("put", "`put_document`: a new one", target, puts, 1, section=WRITING)
    yield Case("put_many", "the same", target, puts, AT_ONCE, section=WRITING)


def searches(makers: Makers, library: Library) -> Iterator[Case]:
    for who, name, kinds in ((EVERYTHING, "all", tuple(SAID)), (LITTLE, "few", _ALSO_FEW)):
        target = makers.served(f"searched_{name}", library.urls, who, "documents")
        whose = "all" if name == "all" else "little"
        for kind in kinds:
            asked = _searched(target, library, kind)
            said = f"{SAID[kind]}{_fits(library, kind)}; reads {whose}"
            yield Case(f"search_{kind}_{name}", said, target, asked, 1, section=SEARCHING)
        if name == "all":
            for kind in ("common", "question"):
                said = f"{SAID[kind]}; reads {whose}"
                yield Case(
                    f"search_{kind}_many", said, target, _searched(target, library, kind), AT_ONCE, section=SEARCHING
                )


def _searched(target: Target, library: Library, kind: str) -> Asks:
    typed = questions(library.documents) if kind == "question" else [queries()[kind]]
    holds = '"matched":"any"' if kind == "question" else '"found":[{'
    return asks.searches(target.port, _token(target), typed, holds)


def _fits(library: Library, kind: str) -> str:
    return f" ({library.facts['fitting'][kind]:,} fit)" if kind in library.facts["fitting"] else ""


def reads(makers: Makers, library: Library) -> Iterator[Case]:
    target = makers.served("read", library.urls, LITTLE, "documents")
    port, token, count = target.port, _token(target), library.documents
    for key, said, asked in (
        ("section", "`read_section`", asks.sections(port, token, count)),
        ("read", "`resources/read`", asks.reads(port, token, count)),
        ("outline", "`get_document_outline`", asks.tools(port, token, count, "get_document_outline")),
        ("related", "`find_related`", asks.tools(port, token, count, "find_related")),
    ):
        yield Case(key, said, target, asked, 1, section=READING)
        if key != "related":
            yield Case(f"{key}_many", said, target, asked, AT_ONCE, section=READING)


def lists(makers: Makers, library: Library) -> Iterator[Case]:
    for name, said, settings in (("kept", "kept", {}), ("cold", "nothing kept", {"metadata_entries": 0})):
        target = makers.served(f"listed_{name}", library.urls, LITTLE, "documents", **settings)
        port, token = target.port, _token(target)
        for key, what, asked in (
            ("collections", "`list_collection`: the collections", asks.lists(port, token)),
            ("level", "`list_collection`: 40 folders", asks.lists(port, token, collection="handbook")),
            (
                "folder",
                "`list_collection`: a folder",
                asks.lists(port, token, collection="handbook", folder="area-0/part-0/"),
            ),
            ("resources", "`resources/list`", asks.listing(port, token)),
        ):
            yield Case(f"{key}_{name}", f"{what}; {said}", target, asked, 1, section=BROWSING)


def _token(target: Target) -> str:
    assert target.token is not None
    return target.token
