"""Documents as resources: text in pieces, bytes as they are, and nothing where the reader has it already."""

from base64 import b64decode
from hashlib import sha256
from typing import Any

import pytest

from servers.documents.contents import BYTES_MAX, TEXT_MAX
from tests.clients.documents import CONTENTS, IF_NONE_MATCH
from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection
from tests.servers.documents.formats.pdfs import outlined
from tests.servers.documents.stock import stock

pytestmark = pytest.mark.anyio

FRONT = "---\ntitle: Emu\ntags: [bird]\n---\n"
TEXT = "# Emu\n\nRuns.\n\n## Feathers\n\nGrey.\n\n### Care\n\nNone.\n\n## Eggs\n\nGreen.\n"
PAGE = b"<html><head><title>Emu</title></head><body><h1>Emu</h1><p>Runs <b>fast</b>.</p></body></html>"
NOISE = bytes(number % 251 for number in range(BYTES_MAX + 1000))
GIF = b"GIF89a" + NOISE + b"\x3b"


@pytest.fixture(scope="module")
async def where(suite: Suite) -> str:
    collection = some_collection()
    files = {
        "emu.md": (FRONT + TEXT).encode(),
        "emu.html": PAGE,
        "emu.pdf": outlined(),
        "emu.gif": GIF,
        "long.txt": ("é🪶" * (TEXT_MAX // 2 + 50)).encode(),
        "exact.txt": ("x" * TEXT_MAX).encode(),
    }
    await stock(suite.urls, collection, files)
    return collection


@pytest.fixture(scope="module")
def desk(suite: Suite) -> Desk:
    return Desk(suite, "support")


async def held(desk: Desk, uri: str, condition: str | None = None) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """What a resource holds, None if it is as the reader knows it; and the facts."""
    result = await desk.read(uri, {IF_NONE_MATCH: condition} if condition else None)
    contents = result["contents"]
    return contents[0] if contents else None, result["_meta"][CONTENTS]


async def text_of(desk: Desk, uri: str) -> str:
    contents, _ = await held(desk, uri)
    assert contents is not None
    return contents["text"]


async def missing(desk: Desk, uri: str) -> bool:
    answer = await desk.read(uri)
    return "error" in answer and answer["error"]["message"] == "Resource not found"


async def test_text_comes_without_its_front_matter_and_with_facts(desk: Desk, where: str) -> None:
    contents, facts = await held(desk, f"doc://{where}/emu.md")
    assert contents == {"uri": f"doc://{where}/emu.md", "mimeType": "text/markdown", "text": TEXT}
    assert facts["last_modified"]
    told = {
        "uri": f"doc://{where}/emu.md",
        "title": "Emu",
        "media_type": "text/markdown",
        "version": 1,
        "size": len(FRONT + TEXT),
        "digest": f"sha256:{sha256((FRONT + TEXT).encode()).hexdigest()}",
        "classification": "internal",
        "labels": ["bird"],
    }
    assert {**facts, **told} == facts


async def test_html_is_shown_as_markdown_and_says_what_it_is(desk: Desk, where: str) -> None:
    contents, facts = await held(desk, f"doc://{where}/emu.html")
    assert contents is not None
    assert (contents["mimeType"], facts["media_type"]) == ("text/markdown", "text/html")
    assert (contents["text"].startswith("# Emu"), "<b>" in contents["text"]) == (True, False)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ("section=feathers", "## Feathers\n\nGrey.\n\n### Care\n\nNone.\n\n"),
        ("section=care", "### Care\n\nNone.\n\n"),
        ("section=eggs", "## Eggs\n\nGreen.\n"),
        ("section=feathers&offset=12", "\n\nGrey.\n\n### Care\n\nNone.\n\n"[1:]),
        ("version=1&section=eggs", "## Eggs\n\nGreen.\n"),
        (f"offset={len(TEXT)}", ""),
        ("offset=999999999", ""),
        ("section=eggs&offset=500", ""),
    ],
)
async def test_a_part_is_a_resource_of_its_own(desk: Desk, where: str, parameters: str, text: str) -> None:
    assert await text_of(desk, f"doc://{where}/emu.md?{parameters}") == text


@pytest.mark.parametrize(
    "uri",
    [
        "none.md",
        "emu.md?section=none",
        "emu.md?version=2",
        "emu.md?version=1&section=none",
        "emu.pdf?section=travel",
        "emu.md?offset=0",
    ],
)
async def test_what_is_not_there_is_missing_and_no_more_is_said(desk: Desk, where: str, uri: str) -> None:
    assert await missing(desk, f"doc://{where}/{uri}")


async def test_a_long_text_goes_on_where_it_was_cut_in_whole_characters(desk: Desk, where: str) -> None:
    uri: str | None = f"doc://{where}/long.txt"
    pieces: list[str] = []
    for _ in range(5):
        assert uri is not None
        contents, facts = await held(desk, uri)
        assert contents is not None
        pieces.append(contents["text"])
        uri = facts["cut"]["rest"]
        if uri is None:
            break
        assert uri == f"doc://{where}/long.txt?offset={TEXT_MAX}"
    assert [len(piece) for piece in pieces] == [TEXT_MAX, 100]
    assert "".join(pieces) == "é🪶" * (TEXT_MAX // 2 + 50)


async def test_what_fits_exactly_is_not_cut(desk: Desk, where: str) -> None:
    _, facts = await held(desk, f"doc://{where}/exact.txt")
    assert "cut" not in facts


async def test_the_rest_of_a_part_of_a_version_is_of_the_same_part_and_version(suite: Suite) -> None:
    uri, desk = f"doc://{some_collection()}/a.md", Desk(suite)
    long = "# A\n\n## B\n\n" + "b" * (TEXT_MAX + 100) + "\n\n## C\n\nc\n"
    await desk.put(uri, long)
    await desk.put(uri, "# Short\n", if_version=1)
    _, facts = await held(desk, f"{uri}?version=1&section=b")
    rest = facts["cut"]["rest"]
    assert rest == f"{uri}?version=1&section=b&offset={TEXT_MAX}"
    assert (await text_of(desk, rest)).endswith("bbb\n\n")


async def test_bytes_come_as_they_are_in_windows(desk: Desk, where: str) -> None:
    first, facts = await held(desk, f"doc://{where}/emu.gif")
    assert first is not None
    assert facts["cut"] == {
        **{"start": 0, "shown": BYTES_MAX, "total": len(GIF), "unit": "bytes"},
        "rest": f"doc://{where}/emu.gif?offset={BYTES_MAX}",
    }
    last, _ = await held(desk, facts["cut"]["rest"])
    beyond, _ = await held(desk, f"doc://{where}/emu.gif?offset=999999999")
    assert last is not None
    assert beyond is not None
    assert (first["mimeType"], beyond["blob"]) == ("image/gif", "")
    assert b64decode(first["blob"]) + b64decode(last["blob"]) == GIF


async def test_a_pdf_is_bytes_here_and_text_to_tools(desk: Desk, where: str) -> None:
    contents, facts = await held(desk, f"doc://{where}/emu.pdf")
    assert contents is not None
    assert (contents["mimeType"], b64decode(contents["blob"])) == ("application/pdf", outlined())
    assert facts["media_type"] == "application/pdf"
    section = await desk.call("read_section", uri=f"doc://{where}/emu.pdf", section="meals")
    assert "Up to 30." in section["text"]


async def test_only_what_has_changed_is_sent_again(suite: Suite) -> None:
    uri, desk = f"doc://{some_collection()}/a.md", Desk(suite)
    first = await desk.put(uri, "# One\n")
    same, facts = await held(desk, uri, first["digest"])
    assert (same, facts["unchanged"], facts["digest"], facts["version"]) == (None, True, first["digest"], 1)
    anything, _ = await held(desk, uri, "*")
    assert anything is None
    second = await desk.put(uri, "# Two\n", if_version=1)
    changed, facts = await held(desk, uri, first["digest"])
    assert changed is not None
    assert (changed["text"], facts["digest"]) == ("# Two\n", second["digest"])
    old, _ = await held(desk, f"{uri}?version=1", first["digest"])
    assert old is None


async def test_new_labels_alone_leave_the_digest_as_it_is(suite: Suite) -> None:
    uri, desk = f"doc://{some_collection()}/a.md", Desk(suite)
    first = await desk.put(uri, "# One\n")
    await desk.call("put_document", uri=uri, if_version=1, labels=["new"])
    same, facts = await held(desk, uri, first["digest"])
    assert (same, facts["version"], facts["labels"]) == (None, 2, ["new"])


@pytest.mark.parametrize("condition", [7, ["sha256:0"], "x" * 101])
async def test_a_condition_that_is_none_is_said_to_be_wrong(desk: Desk, where: str, condition: Any) -> None:
    answer = await desk.read(f"doc://{where}/emu.md", {IF_NONE_MATCH: condition})
    assert (answer["error"]["code"], IF_NONE_MATCH in answer["error"]["message"]) == (-32602, True)


async def test_what_is_put_away_or_moved_is_missing_where_it_was(suite: Suite) -> None:
    where, desk = some_collection(), Desk(suite)
    for name in ("a", "b"):
        await desk.put(f"doc://{where}/{name}.md")
    await desk.call("archive_document", uri=f"doc://{where}/a.md", if_version=1)
    await desk.call("move_document", uri=f"doc://{where}/b.md", if_version=1, to=f"doc://{where}/c.md")
    assert [await missing(desk, f"doc://{where}/{name}.md") for name in ("a", "b", "c")] == [True, True, False]
    assert await missing(desk, f"doc://{where}/a.md?version=1")
