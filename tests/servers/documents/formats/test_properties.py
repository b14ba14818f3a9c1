"""What holds of every file, whatever is in it."""

from dataclasses import astuple
from unicodedata import category

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from servers.documents.formats import MEDIA_TYPES, TEXT_LIMIT, Parsed, Refused, parse, plain
from tests.servers.documents.formats import pdfs

SPARE = settings(max_examples=100, deadline=5_000)
"""The deadline, in milliseconds, is there to catch time that explodes."""

PIECES = st.sampled_from(
    [
        *"#*_`~[]()<>{}|\\&!=-+:'\"/ \t\n\r\ufeff\u202e\u2028é",
        *("# ", "## a\n", "\n\n", "---\n", "```\n", "- ", "1. ", "> ", "    ", "](", "[a](b)", "[a]: b\n", "&amp;"),
        *("<!--", "-->", "{/*", "*/}", "<script>", "</script>", "<a href='x'>", "</a>", "<p hidden>", "</p>"),
        *("import a from 'b'\n", "export {", "&#0;", "<h1>", "<pre>", "</pre>", "<table>", "<td>", "<li>", "</div>"),
    ]
)
TEXT = st.lists(PIECES | st.text(max_size=8), max_size=60).map("".join)
NAMES = st.sampled_from([f"a{ending}" for ending in MEDIA_TYPES] + ["a", "", "a.xyz"])


def check(parsed: Parsed) -> None:
    text = parsed.text
    assert (text is None) == parsed.media_type.startswith("image/")
    assert "".join((text or "")[section.start : section.end] for section in parsed.sections) == (text or "")
    assert [section.number for section in parsed.sections] == list(range(len(parsed.sections)))
    assert all(section.start < section.end for section in parsed.sections)
    anchors = [section.anchor for section in parsed.sections]
    assert len(set(anchors)) == len(anchors) <= 5_000
    assert all(section.heading and 1 <= section.level <= 6 for section in parsed.sections if section.level)
    assert 0 < len(parsed.title) <= 300
    assert len(parsed.summary) <= 300
    assert len(parsed.links) <= 2_000
    assert len(parsed.labels) <= 20
    assert len(text or "") <= TEXT_LIMIT
    links = [part for link in parsed.links for part in (link.target, link.text)]
    shown = "".join([parsed.title, parsed.summary, *parsed.labels, *links, *anchors])
    assert not {category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert "\0" not in repr(astuple(parsed)).encode().decode()
    assert "\0" not in (text or "")


def outcome(name: str, data: bytes) -> Parsed | str:
    try:
        return parse(name, data)
    except Refused as refused:
        return refused.code


def read(name: str, data: bytes) -> None:
    if isinstance(parsed := outcome(name, data), Parsed):
        check(parsed)


@SPARE
@given(TEXT, st.sampled_from(["a.md", "a.mdx", "a.html", "a.txt"]))
@example("---\na: b\n---", "a.md")
@example("<!--\n-->\n# a", "a.mdx")
def test_any_text_is_kept_or_refused(text: str, name: str) -> None:
    read(name, text.encode("utf-8", "surrogatepass"))


@SPARE
@given(st.binary(max_size=400) | st.binary(max_size=100).map(lambda data: b"%PDF-1.7\n" + data), NAMES)
def test_any_bytes_are_kept_or_refused(data: bytes, name: str) -> None:
    read(name, data)


@SPARE
@given(st.integers(0, 2_000), st.integers(0, 2_000), st.binary(min_size=1, max_size=10))
def test_any_damage_to_a_pdf_is_kept_or_refused(first: int, length: int, noise: bytes) -> None:
    data = pdfs.outlined()
    read("a.pdf", data[:first] + noise + data[first + length :])


@SPARE
@given(TEXT)
def test_plain_words_can_be_stored(text: str) -> None:
    assert "\0" not in plain(text.replace("\0", "")).encode().decode()


@SPARE
@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "Zs")), min_size=1, max_size=200))
def test_words_without_markup_stay_as_they_are(text: str) -> None:
    assert plain(f"a {text}").split() == f"a {text}".split()


@pytest.mark.parametrize("name", ["a.md", "a.mdx", "a.html", "a.txt"])
@SPARE
@given(text=TEXT)
def test_it_is_the_same_with_other_ends_of_lines(name: str, text: str) -> None:
    lines = text.replace("\r", "").replace("\0", "") + "\n"  # of zeros, what they may mean is guessed from shares
    assert outcome(name, lines.encode()) == outcome(name, lines.replace("\n", "\r\n").encode())
