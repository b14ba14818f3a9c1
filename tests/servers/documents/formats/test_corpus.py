"""A real corpus: the documentation of the Model Context Protocol, kept beside the repository."""

from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from servers.documents.formats import Link, Parsed, parse, plain
from servers.documents.formats.blocks import mdx_blocks
from servers.documents.formats.inline import Inline

CORPUS = Path(__file__).parents[5] / "shared" / "data" / "documents"
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the repository")


@cache
def corpus() -> dict[str, Parsed]:
    files = sorted(path for path in CORPUS.rglob("*") if path.is_file())
    return {path.relative_to(CORPUS).as_posix(): parse(path.name, path.read_bytes()) for path in files}


def outline(name: str) -> list[tuple[int, str, str]]:
    return [(section.level, section.heading, section.anchor) for section in corpus()[name].sections]


def test_every_file_is_kept() -> None:
    kinds = [parsed.media_type for parsed in corpus().values()]
    assert (kinds.count("text/mdx"), kinds.count("text/plain")) == (344, 1)
    assert not [name for name, parsed in corpus().items() if parsed.notes]


def test_sections_tile_every_text_and_anchors_are_unique() -> None:
    for name, parsed in corpus().items():
        assert "".join((parsed.text or "")[s.start : s.end] for s in parsed.sections) == parsed.text, name
        assert len({section.anchor for section in parsed.sections}) == len(parsed.sections), name
        assert parsed.title, name
        assert "<" not in parsed.title, name


def test_in_nearly_every_document_links_to_its_own_headings_lead_somewhere() -> None:
    """They were written for another renderer; of those that lead nowhere here, none leads anywhere there."""
    missing = [
        (name, link.target)
        for name, parsed in corpus().items()
        if not name.endswith("schema.mdx")  # these lead to `id`s of elements
        for link in parsed.links
        if link.target.startswith("#") and link.target[1:] not in {section.anchor for section in parsed.sections}
    ]
    assert {target for _, target in missing} == {"#https%3A%2F%2F", "#getting-logs-from-claude-for-desktop"}


def test_a_page_with_front_matter() -> None:
    parsed = corpus()["extensions/apps/overview.mdx"]
    assert parsed.title == "MCP Apps"
    assert parsed.summary == "Interactive UI applications that render inside MCP hosts like Claude Desktop"
    assert parsed.text is not None
    assert parsed.text.startswith("<Tip>\n")
    assert outline("extensions/apps/overview.mdx")[:3] == [
        (0, "", "top"),
        (2, "Why not just build a web app?", "why-not-just-build-a-web-app"),
        (2, "How MCP Apps work", "how-mcp-apps-work"),
    ]
    assert parsed.links[0] == Link("https://apps.extensions.modelcontextprotocol.io", "official MCP Apps documentation")


def test_a_page_of_generated_html() -> None:
    parsed = corpus()["specification/2025-06-18/schema.mdx"]
    assert parsed.title == "Schema Reference"
    assert outline("specification/2025-06-18/schema.mdx")[1:4] == [
        (2, "JSON-RPC", "json-rpc"),
        (3, "JSONRPCError", "jsonrpcerror"),
        (3, "JSONRPCMessage", "jsonrpcmessage"),
    ]
    assert Link("#requestid", "RequestId") in parsed.links
    words = plain(parsed.text or "")
    assert "A response to a request that indicates an error occurred" in words
    assert "tsd-" not in words


def test_a_page_with_tabs_and_steps() -> None:
    name = "docs/2026-07-28/develop/build-server.mdx"
    assert outline(name)[1:4] == [
        (3, "What we'll be building", "what-well-be-building"),
        (3, "Core MCP Concepts", "core-mcp-concepts"),
        (3, "Prerequisite knowledge", "prerequisite-knowledge"),
    ]
    assert corpus()[name].links[0] == Link("/docs/2026-07-28/develop/build-client", "building your own client")


def test_a_page_with_a_heading_of_level_1_and_one_without_front_matter() -> None:
    assert corpus()["extensions/overview.mdx"].title == "Extensions Overview"
    assert outline("extensions/overview.mdx")[0] == (1, "MCP Extensions", "mcp-extensions")
    assert corpus()["snippets/snippet-intro.mdx"].title == "Snippet intro"
    assert corpus()["LICENSE"].title == "LICENSE"


def _as_written(url: str) -> str:
    return url


def test_links_and_words_are_those_that_markdown_it_finds() -> None:
    """Our reader of paragraphs is ten times as fast; on real ones it says the same."""
    whole = MarkdownIt("commonmark").enable("strikethrough")
    whole.normalizeLink = _as_written
    for name, parsed in corpus().items():
        blocks, references = mdx_blocks(parsed.text or "")
        env = {"references": {key: {"href": href, "title": ""} for key, href in references.items()}}
        for block in blocks:
            # What CommonMark has no words for: tags, expressions, and pictures, whose words it keeps elsewhere.
            if block.type != "inline" or any(odd in block.content for odd in ("<", "{", "![")):
                continue
            reading = Inline(references)
            reading.read(block.content)
            tokens = whole.parseInline(block.content, env)[0].children or []
            targets = dict.fromkeys(token.attrs["href"] for token in tokens if token.type == "link_open")
            assert list(dict.fromkeys(link.target for link in reading.links)) == list(targets), name
            words = "".join(" " if "break" in token.type else token.content for token in tokens)
            assert reading.take().split() == words.split(), name
