from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from servers.tickets.backends.jira import adf

_LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20).filter(
    lambda line: line == line.strip()
)


def doc(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(content)}


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "marks": [{"type": "strong"}]}


@given(st.lists(st.lists(_LINES, min_size=1, max_size=3), min_size=1, max_size=4))
def test_what_is_written_is_read_again(paragraphs: list[list[str]]) -> None:
    plain = "\n\n".join("\n".join(lines) for lines in paragraphs)
    assert adf.text(adf.document(plain)) == plain


def test_lists_headings_mentions_cards_and_code_are_read_as_words() -> None:
    item = {"type": "listItem", "content": [{"type": "paragraph", "content": [said("one")]}]}
    read = adf.text(
        doc(
            {"type": "heading", "attrs": {"level": 1}, "content": [said("Title")]},
            {"type": "bulletList", "content": [item, item]},
            {"type": "paragraph", "content": [{"type": "mention", "attrs": {"text": "@Ada"}}, said(" see ")]},
            {"type": "blockCard", "attrs": {"url": "https://example.com"}},
            {"type": "codeBlock", "content": [{"type": "text", "text": "x = 1"}]},
            {"type": "mediaSingle", "content": [{"type": "media", "attrs": {"id": "1"}}]},
        )
    )
    for words in ("Title", "- one", "@Ada see", "https://example.com", "x = 1", "[attachment]"):
        assert words in read


def test_a_document_that_goes_on_for_ever_is_cut() -> None:
    node: dict[str, Any] = {"type": "paragraph", "content": [said("deep")]}
    for _ in range(500):
        node = {"type": "blockquote", "content": [node]}
    assert adf.text(doc(node)).strip() == "…"
    assert len(adf.text(doc({"type": "paragraph", "content": [said("x" * 300_000)]}))) <= 200_000


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["type", "content", "text", "attrs", "url"]), inner)
        ),
        max_leaves=20,
    )
)
def test_whatever_comes_is_read_without_a_crash(content: Any) -> None:
    assert isinstance(adf.text({"type": "doc", "content": content}), str)
