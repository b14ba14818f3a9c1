"""What is kept of a Markdown or MDX file."""

import pytest

from servers.documents.formats import Link, Parsed, parse


def md(text: str, name: str = "a.md") -> Parsed:
    return parse(name, text.encode())


def headings(parsed: Parsed) -> list[tuple[int, str, str]]:
    return [(section.level, section.heading, section.anchor) for section in parsed.sections]


def test_sections_begin_at_headings_and_tile_the_text() -> None:
    parsed = md("Before.\n\n# One\n\ntext\n\nTwo\n---\n\n### `Three` *and* [more](x)\n")
    assert headings(parsed) == [
        (0, "", "top"),
        (1, "One", "one"),
        (2, "Two", "two"),
        (3, "Three and more", "three-and-more"),
    ]
    assert parsed.text is not None
    assert [parsed.text[section.start : section.end].split("\n")[0] for section in parsed.sections] == [
        "Before.",
        "# One",
        "Two",
        "### `Three` *and* [more](x)",
    ]


def test_blank_lines_before_the_first_heading_are_no_section() -> None:
    assert headings(md("\n \n# One\n")) == [(1, "One", "one")]


def test_headings_in_lists_quotes_and_code_cut_nothing() -> None:
    assert headings(md("# A\n\n- # b\n\n> # c\n\n```\n# d\n```\n\n    # e\n\n<!--\n# f\n-->\n")) == [(1, "A", "a")]


def test_the_front_matter_names_the_document_and_is_not_in_its_text() -> None:
    parsed = md(
        "---\ntitle: 1.10\nSummary: What it is\ntags: [Getting Started, C++, no, x]\nkeywords: a, X\n---\n"
        "\n# H\n\nText\n"
    )
    assert (parsed.title, parsed.summary) == ("1.10", "What it is")
    assert parsed.labels == ("getting-started", "c++", "no", "x", "a")
    assert parsed.text == "# H\n\nText\n"
    assert parsed.notes == ()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("## Two\n\n# One\n", "One"),
        ("---\ntitle:\n---\n# One\n", "One"),
        ("# <div id='x'></div>\n\n# One\n", "One"),
        ("## Two\n", "Getting started"),
        ("a &amp; b\n===\n", "a & b"),
        ("# The `_meta` of *snake_case_words* and __init__\n", "The _meta of snake_case_words and init"),
    ],
)
def test_the_title_is_the_first_that_can_be_had(text: str, title: str) -> None:
    assert md(text, "guide/getting-started.md").title == title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("2025-11-25.md", "2025-11-25"),
        ("sep-1036-url_mode.md", "Sep 1036 url mode"),
        ("README.md", "README"),
        ("a\\b\\c-d.md", "C d"),
        (".hidden", ".hidden"),
    ],
)
def test_the_name_of_the_file_is_made_readable(name: str, title: str) -> None:
    assert md("x", name).title == title


def test_the_summary_is_the_first_paragraph_cut_at_a_word() -> None:
    parsed = md("# T\n\n- a list\n\nA **bold** [link](x) and `code`. " + "word " * 100 + "\n\nNext.\n")
    assert parsed.summary.startswith("A bold link and code. word")
    assert parsed.summary.endswith("word…")
    assert len(parsed.summary) <= 300


def test_a_paragraph_of_tags_is_the_summary_only_if_there_is_no_other() -> None:
    assert md('<div class="a">tagged</div>\n\nPlain.\n', "a.mdx").summary == "Plain."
    assert md("<Note>\n  Tagged.\n</Note>\n", "a.mdx").summary == "Tagged."


def test_links_are_kept_as_they_are_written() -> None:
    text = (
        "[in *line*](../a%20b.md#c 'title') [<b>x</b>](<with blank.md>) [ref][One] [one] <https://auto.example/?a=b> "
        "![picture](p.png) [![badge](b.png)](https://badge.example) [p(a)r](x_(y)) `[code](no)` \\[no](no) "
        "<a href='/html'>by tag</a> [again][one]\n\n[ONE]: /target 'title'\n"
    )
    assert md(text).links == (
        Link("../a%20b.md#c", "in line"),
        Link("with blank.md", "x"),
        Link("/target", "ref"),
        Link("/target", "one"),
        Link("https://auto.example/?a=b", "https://auto.example/?a=b"),
        Link("https://badge.example", "badge"),
        Link("x_(y)", "p(a)r"),
        Link("/html", "by tag"),
        Link("/target", "again"),
    )


MDX = """import { Card } from "/snippets/card.mdx"
export const words = [

  "# not a heading",
]

{/* # not a heading
a comment
*/}

<div id="start" />

<Note>
## In a note
    ## Far to the right

Words of the note. {/* unsaid */}{" "}
</Note>

<Card title="A card" href="/card" icon={<Icon name="x" />} onClick={() => { go("/b") }}>
  Words of the card
</Card>

```js
import x from "y"
# code
```
"""


def test_mdx_is_read_as_mdx() -> None:
    parsed = md(MDX, "a.mdx")
    assert parsed.media_type == "text/mdx"
    assert parsed.text == MDX
    assert headings(parsed)[1:] == [
        (2, "In a note", "in-a-note"),
        (2, "Far to the right", "far-to-the-right"),
    ]
    assert parsed.title == "A"
    assert parsed.summary == "Words of the note."
    assert parsed.links == (Link("/card", "A card"),)


def test_prose_that_begins_like_a_module_is_prose() -> None:
    assert md("import duties are paid by us.\n\nexport is free.\n", "a.mdx").summary == "import duties are paid by us."


def test_in_markdown_indented_lines_are_code_and_imports_are_words() -> None:
    parsed = md('import x from "y"\n\n    # code\n')
    assert parsed.summary == 'import x from "y"'
    assert headings(parsed) == [(0, "", "top")]


def test_a_tag_that_is_left_open_hides_no_heading() -> None:
    assert headings(md("<svg>\n\nx\n\n# A\n\n<p hidden>\n\n# B\n", "a.mdx"))[1:] == [(1, "A", "a"), (1, "B", "b")]


def test_plain_text_has_no_markup() -> None:
    parsed = parse("notes.txt", b"# not a heading\n[not](a-link)\n\nNext.\n")
    assert (parsed.title, parsed.summary) == ("Notes", "# not a heading [not](a-link)")
    assert headings(parsed) == [(0, "", "top")]
    assert parsed.links == ()
