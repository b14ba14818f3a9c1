"""What a resource holds is text or bytes of its own kind, with facts beside it, and is sent only if it has changed."""

import base64
from typing import Annotated, Any

import pytest
from mcp import Client
from mcp_types import BlobResourceContents, TextResourceContents
from pydantic import ValidationError

from shared.core.errors import Misconfigured
from shared.core.tool import Arguments, Call, Contents
from shared.core.toolset import Toolset
from shared.steps.policy.schema import schema_of
from shared.steps.redaction import Untrusted
from tests.shelf.books import BOOKS, PART
from tests.shelf.reader import CONTENTS, IF_NONE_MATCH, Reader
from tests.shelf.server import server
from tests.shelf.tools import uri_of

pytestmark = pytest.mark.anyio

START = "shelf://guides/start.md"
UNTRUSTED = "enterprise-mcp-suite/untrusted"
REDACTED = "enterprise-mcp-suite/redacted"


async def text(client: Client, uri: str) -> TextResourceContents:
    (held,) = (await client.read_resource(uri)).contents
    assert isinstance(held, TextResourceContents)
    return held


async def test_text_has_its_own_mime_type_and_facts_beside_it(reader: Reader) -> None:
    book = BOOKS["guides/start.md"]
    async with reader.client() as client:
        answer = await client.read_resource(START)
    (held,) = answer.contents
    assert isinstance(held, TextResourceContents)
    assert (held.uri, held.mime_type, held.text) == (START, "text/markdown", "# Start\n\nBegin here.\n")
    assert (answer.meta or {})[CONTENTS] == {
        "title": "Start",
        "digest": book.digest(2),
        "version": 2,
        "size": 21,
        "last_modified": "2026-03-01T12:00:00Z",
    }


async def test_a_version_of_it_is_another_resource(reader: Reader) -> None:
    async with reader.client() as client:
        assert (await text(client, f"{START}?version=1")).text == "# Start\n"


async def test_bytes_are_base64_and_no_pattern_changes_them(reader: Reader) -> None:
    async with reader.client() as client:
        (pixel,) = (await client.read_resource("shelf://guides/pixel.png")).contents
        (many,) = (await client.read_resource("shelf://large/bytes.bin")).contents
    assert isinstance(pixel, BlobResourceContents)
    assert isinstance(many, BlobResourceContents)
    assert pixel.mime_type == "image/png"
    assert base64.b64decode(pixel.blob) == BOOKS["guides/pixel.png"].versions[0]
    assert base64.b64decode(many.blob) == BOOKS["large/bytes.bin"].versions[0]


async def test_an_empty_text_is_a_text(reader: Reader) -> None:
    async with reader.client() as client:
        assert (await text(client, "shelf://guides/empty.txt")).text == ""


async def test_an_answer_that_is_no_contents_is_json(reader: Reader) -> None:
    async with reader.client() as client:
        answer = await client.read_resource("shelf://guides/deep/")
    (held,) = answer.contents
    assert isinstance(held, TextResourceContents)
    assert (held.mime_type, held.text) == ("application/json", '{"of":"guides/deep/","paths":["end.md"]}')
    assert CONTENTS not in (answer.meta or {})


async def test_outsiders_text_is_neutralised_labelled_and_masked_but_its_uri_is_not(reader: Reader) -> None:
    async with reader.client() as client:
        trap = await client.read_resource("shelf://guides/trap.html")
        card = await client.read_resource(uri_of("guides/4111111111111111.md"))
    (shown,) = trap.contents
    (masked,) = card.contents
    assert isinstance(shown, TextResourceContents)
    assert isinstance(masked, TextResourceContents)
    assert ("Ignore" in shown.text, "Hello" in shown.text) == (False, True)
    meta = trap.meta or {}
    assert meta[UNTRUSTED] == ["text", "title"]
    assert meta[CONTENTS]["title"] == "Trap "
    assert (masked.text, masked.uri) == ("Pay with [card].\n", "shelf://guides/4111111111111111.md")
    assert (card.meta or {})[REDACTED] == ["text:card", "title:card"]


async def test_what_is_cut_says_how_much_and_where_the_rest_is(reader: Reader) -> None:
    whole = BOOKS["long/story.txt"].versions[0]
    uri: str | None = "shelf://long/story.txt"
    parts: list[str] = []
    cuts: list[dict[str, Any]] = []
    async with reader.client() as client:
        while uri is not None:
            answer = await client.read_resource(uri)
            (held,) = answer.contents
            assert isinstance(held, TextResourceContents)
            parts.append(held.text)
            cuts.append((answer.meta or {})[CONTENTS]["cut"])
            uri = cuts[-1]["rest"]
    assert "".join(parts) == whole
    rest = f"shelf://long/story.txt?offset={PART}"
    assert cuts[0] == {"start": 0, "shown": PART, "total": len(whole), "unit": "characters", "rest": rest}
    assert sum(cut["shown"] for cut in cuts) == len(whole)


async def test_what_has_not_changed_is_not_sent_again(reader: Reader) -> None:
    book = BOOKS["guides/start.md"]
    async with reader.raw() as raw:
        same = await raw.read(START, **{IF_NONE_MATCH: book.digest(2)})
        older = await raw.read(START, **{IF_NONE_MATCH: book.digest(1)})
        other = await raw.read(START, **{IF_NONE_MATCH: '"anything"'})
    facts = same["_meta"][CONTENTS]
    assert same["contents"] == []
    assert (facts["unchanged"], facts["digest"], facts["version"]) == (True, book.digest(2), 2)
    for changed in (older, other):
        assert [held["text"] for held in changed["contents"]] == ["# Start\n\nBegin here.\n"]
        assert "unchanged" not in changed["_meta"][CONTENTS]


async def test_a_client_can_state_the_condition_itself(reader: Reader) -> None:
    meta: Any = {IF_NONE_MATCH: BOOKS["guides/start.md"].digest(2)}
    async with reader.client() as client:
        answer = await client.read_resource(START, meta=meta)
    assert answer.contents == []
    assert (answer.meta or {})[CONTENTS]["unchanged"] is True


async def test_a_condition_is_ignored_by_what_takes_none(reader: Reader) -> None:
    async with reader.raw() as raw:
        for condition in ("sha256:0", 7, {"any": "thing"}):
            answer = await raw.read("shelf://guides", **{IF_NONE_MATCH: condition})
            assert answer["contents"][0]["mimeType"] == "application/json"


async def test_a_condition_that_is_no_digest_is_the_requests_fault_and_says_so(reader: Reader) -> None:
    async with reader.raw() as raw:
        for condition in (7, 1.5, True, [], ["sha256:0"], {"digest": "sha256:0"}, "x" * 129, 2**70):
            error = (await raw.read(START, **{IF_NONE_MATCH: condition}))["error"]
            assert (error["code"], error["data"]["code"]) == (-32602, "invalid"), condition
            assert IF_NONE_MATCH in error["message"]
            missing = (await raw.read("shelf://GUIDES/start.md", **{IF_NONE_MATCH: condition}))["error"]
            assert missing["message"] == "Resource not found"


async def test_a_condition_finds_nothing_that_is_not_there(reader: Reader) -> None:
    async with reader.raw() as raw:
        for condition in ("*", "sha256:0"):
            error = (await raw.read("shelf://guides/none.md", **{IF_NONE_MATCH: condition}))["error"]
            assert error["message"] == "Resource not found"


async def test_no_condition_is_as_good_as_none(reader: Reader) -> None:
    async with reader.raw() as raw:
        assert len((await raw.read(START, **{IF_NONE_MATCH: None}))["contents"]) == 1


async def test_the_record_of_a_read_names_the_condition(reader: Reader) -> None:
    digest = BOOKS["guides/deep/end.md"].digest(1)
    uri = "shelf://guides/deep/end.md"
    async with reader.raw() as raw:
        await raw.read(uri, **{IF_NONE_MATCH: digest})
    record = (await reader.suite.records(target=uri))[0]
    assert (record["outcome"], record["arguments"]["if_none_match"]) == ("ok", digest)


async def test_templates_say_a_mime_type_only_where_it_is_always_the_same(reader: Reader) -> None:
    async with reader.client() as client:
        templates = (await client.list_resource_templates()).resource_templates
    assert [(shown.name, shown.mime_type) for shown in templates] == [
        ("read_collection", "application/json"),
        ("read_folder", "application/json"),
        ("read_book", None),
    ]


def test_policies_do_not_judge_a_condition() -> None:
    schema = schema_of(server)
    assert '"shelf.read_book"' in schema
    assert '"version"?: String' in schema
    assert "if_none_match" not in schema


def test_contents_are_one_thing() -> None:
    with pytest.raises(ValidationError):
        Contents(text="a", blob="YQ==", mime_type="text/plain")


def test_a_resource_may_say_which_mime_type_all_its_contents_have() -> None:
    class Nothing(Arguments):
        """Nothing is needed."""

    class Page(Contents):
        text: Annotated[str | None, Untrusted()] = None

    async def page(call: Call, query: Nothing) -> Page:
        """A page."""
        del call, query
        return Page(text="<p>", mime_type="text/html")

    tools = Toolset()
    tools.resource("page://one", "shelf:read", mime_type="text/html")(page)
    tools.resource("page://two", "shelf:read")(page)
    assert [resource.mime_type for resource in tools.resources.values()] == ["text/html", None]
    with pytest.raises(Misconfigured, match="twice"):
        tools.resource("page://two", "shelf:read")(page)
