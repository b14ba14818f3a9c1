"""Two journeys through the documents, as clients make them that have tools alone, or read resources alone."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from servers.documents.server import server
from tests.clients.documents import TEMPLATES, by_resources, by_tools, connected, noting
from tests.clients.local import Local
from tests.clients.wire import COMMAND
from tests.data.library import BIRDS, LEDGER, PLANS, library
from tests.generous import LIMITS
from tests.harness import ERAS, Databases, Suite
from tests.servers.documents.desk import Desk, some_collection
from tests.servers.documents.stock import stock

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/subscribe is removed"),  # in the other era
]

SOLD = "# Puffin\n\nShe was sold for a guinea.\n"


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_has_tools_alone_finds_reads_changes_and_undoes(suite: Suite, era: str) -> None:
    where = some_collection()
    await stock(suite.urls, where, library())
    async with connected(suite, "manager", era, []) as client:
        seen = await by_tools(client, where)
    judge_tools(seen, where)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_has_resources_alone_reads_everything_and_hears_of_changes(suite: Suite, era: str) -> None:
    where, heard = some_collection(), list[str]()
    await stock(suite.urls, where, library())

    async def change() -> None:
        await Desk(suite).put(f"doc://{where}/ferries/puffin.md", SOLD, if_version=1)

    async with connected(suite, "support", era, heard) as client:
        seen = await by_resources(client, where, heard, change)
    judge_resources(seen, where)


async def test_both_journeys_lead_over_stdio_too(databases: Databases, tmp_path: Path) -> None:
    folder, where, heard = tmp_path / "data", some_collection(), list[str]()
    folder.mkdir(mode=0o700)
    local = Local(await databases.fresh(), folder, scopes="documents:write")
    await stock(local.urls, where, library())
    command = [word.replace("customers", "documents") for word in COMMAND]
    limits = {f"SUITE_{name.upper()}": str(value) for name, value in LIMITS.items()}
    process = StdioServerParameters(command=command[0], args=command[1:], env=local.env | limits)
    with anyio.fail_after(60):
        async with Client(process, message_handler=noting(heard)) as client:

            async def change() -> None:
                new = {"uri": f"doc://{where}/ferries/puffin.md", "content": SOLD, "if_version": 1}
                await client.call_tool("put_document", new)

            resources = await by_resources(client, where, heard, change)
            tools = await by_tools(client, where)
    judge_tools(tools, where)
    judge_resources(resources, where)
    _, report = await local.audit()
    assert report.problems == []


def judge_tools(seen: dict[str, Any], where: str) -> None:
    """Whether every step of the journey by tools went as it must."""
    gannet = f"doc://{where}/ferries/gannet.md"
    assert seen["tools"] == list(server.tools.tools)
    assert seen["uri"] == gannet
    assert seen["found"]["found"][0]["snippet"].count("**") >= 2
    found = [hit["uri"] for hit in seen["found"]["found"]]
    assert seen["links"]["search_documents"][0] == found
    assert [each["section"] for each in seen["outline"]["sections"]] == [
        "gannet", "timetable", "bad-weather", "refunds",
    ]  # fmt: skip
    assert "half the fare" in seen["section"]["text"]
    judge_pieces(seen["pieces"], library()[LEDGER].decode())
    related = {each["uri"].removeprefix(f"doc://{where}/"): each["relation"] for each in seen["related"]["found"]}
    assert related["quays/quay-09.md"] == related["ferries/godwit.md"] == "links_to"
    assert related["ferries/README.md"] == related["ferries/fulmar.md"] == "linked_from"
    assert set(seen["links"]["find_related"][0]) == {each["uri"] for each in seen["related"]["found"]}
    assert seen["listed"] == sorted(path.removeprefix("safety/") for path in library() if path.startswith("safety/"))
    judge_writes(seen, gannet)


def judge_pieces(pieces: Sequence[dict[str, Any]], text: str) -> None:
    assert "".join(piece["text"] for piece in pieces) == text
    assert len(pieces) > 10
    for piece in pieces:
        cut = piece["cut"]
        assert (cut["shown"], cut["total"]) == (len(piece["text"]), len(text))
        left = len(text) - cut["shown_from"] - cut["shown"]
        assert (f"{left} characters are left" in cut["rest"]) if left else cut["rest"] is None


def judge_writes(seen: dict[str, Any], gannet: str) -> None:
    put = seen["put"]
    assert put == seen["again"]
    assert (put["document"]["version"], put["created"], put["previous_version"]) == (2, False, 1)
    assert "-Passengers get half the fare back.\n+Nobody gets a zloty back.\n" in seen["compared"]["diff"]
    assert seen["compared"]["sections_changed"] == ["Gannet", "Refunds", "Timetable", "Bad weather"]
    assert seen["archived"]["uri"] == gannet
    assert seen["gone"]["error"]["code"] == "not_found"
    assert seen["not found"]["found"] == []
    assert seen["restored"]["document"] == {
        **put["document"],
        "last_modified": seen["restored"]["document"]["last_modified"],
    }
    assert [hit["uri"] for hit in seen["found again"]["found"]] == [gannet]


def judge_resources(seen: dict[str, Any], where: str) -> None:
    """Whether every step of the journey by resources went as it must."""
    puffin = f"doc://{where}/ferries/puffin.md"
    flat = [uri for page in seen["listed"] for uri in page]
    assert len(seen["listed"]) > 1
    assert len(flat) == len(set(flat))
    assert f"doc://{where}" in seen["listed"][0]
    assert sum(uri.startswith(f"doc://{where}/") for uri in flat) == len(library())
    assert seen["templates"] == list(TEMPLATES)
    assert seen["completed"] == [
        [where], ["ferries/"], ["ferries/puffin.md"], ["notes/over the sea/grüße von drüben.md"],
    ]  # fmt: skip
    assert [entry["name"] for entry in seen[""]["entries"] if entry["kind"] == "folder"] == [
        "ferries/", "inbox/", "logs/", "notes/", "pages/", "plans/", "quays/", "safety/",
    ]  # fmt: skip
    ferries = {entry["name"]: entry["title"] for entry in seen["/ferries/"]["entries"]}
    assert ferries == {"README.md": "Ferries", **{f"{bird.lower()}.md": f"Ferry {bird}" for bird in BIRDS}}
    judge_whole(seen["ledger"], library()[LEDGER], "text/plain", "characters")
    judge_whole(seen["plans"], library()[PLANS], "application/pdf", "bytes")
    judge_whole(seen["deck"], library()["safety/deck.png"], "image/png", None)
    assert seen["refunds"]["pieces"] == ["### Refunds\n\nPassengers get half the fare back.\n"]
    judge_changed(seen, puffin)


def judge_whole(read: dict[str, Any], content: bytes, mime_type: str, unit: str | None) -> None:
    """Whether the pieces together are the file, and say of themselves what they are."""
    pieces = [piece.encode() if isinstance(piece, str) else piece for piece in read["pieces"]]
    assert b"".join(pieces) == content
    assert read["kinds"] == {mime_type}
    assert read["facts"]["digest"] == f"sha256:{sha256(content).hexdigest()}"
    assert read["facts"]["size"] == len(content)
    cuts = [cut for cut in read["cuts"] if cut]
    assert (len(cuts) > 1) == (unit is not None)
    assert {cut["unit"] for cut in cuts} == ({unit} if unit else set())


def judge_changed(seen: dict[str, Any], puffin: str) -> None:
    before, same, after, first = (seen[name] for name in ("before", "same", "after", "first"))
    assert (same["pieces"], same["facts"]["unchanged"], same["facts"]["version"]) == ([], True, 1)
    assert seen["told"] == puffin
    assert (after["pieces"], after["facts"]["version"]) == ([SOLD], 2)
    assert "unchanged" not in after["facts"]
    assert (first["pieces"], first["facts"]["digest"]) == (before["pieces"], before["facts"]["digest"])
