"""What is kept of an HTML page."""

from servers.documents.formats import Link, Parsed, parse

PAGE = """<!doctype html>
<html><head>
<title>My &amp; page</title><meta name="Description" content="About it"><meta name=keywords content="A b, C">
</head><body>
<nav><a href="/">Home</a></nav>
<h1>Big <em>one</em></h1>
<p>Hello <b>w</b>orld, see <a href="b c.html">this <i>thing</i></a>.<br>next
<ul><li>one<li>two</ul>
<pre>
def f():
    # no heading
</pre>
<h2><a href="#x">Linked</a></h2>
<table><tr><th>A<th>B<tr><td>1<td>2</table>
# no heading
<a href="javascript:alert(1)">runs</a><img src=x alt="a picture">
</body></html>"""

TEXT = """[Home](/)

# Big one

Hello world, see [this thing](<b c.html>).
next

- one
- two

~~~~
def f():
    # no heading

~~~~

## [Linked](#x)

A | B
1 | 2

\\# no heading runs a picture
"""


def html(text: str) -> Parsed:
    return parse("a-page.html", text.encode())


def test_a_page_reads_like_markdown() -> None:
    parsed = html(PAGE)
    assert (parsed.title, parsed.summary, parsed.labels) == ("My & page", "About it", ("a-b", "c"))
    assert parsed.text == TEXT
    assert [(s.level, s.heading, TEXT[s.start : s.end].split("\n", maxsplit=1)[0]) for s in parsed.sections] == [
        (0, "", "[Home](/)"),
        (1, "Big one", "# Big one"),
        (2, "Linked", "## [Linked](#x)"),
    ]
    assert parsed.links == (Link("/", "Home"), Link("b c.html", "this thing"), Link("#x", "Linked"))


def test_without_a_title_the_first_heading_is_one_and_the_first_paragraph_the_summary() -> None:
    parsed = html("<svg><title>no</title></svg><h2>Two</h2><h1>One</h1><p> <p>First <a href=x>words</a>.<p>Second.")
    assert (parsed.title, parsed.summary) == ("One", "First words.")
    assert html("<p>x").title == "A page"


def test_what_is_not_seen_is_not_kept() -> None:
    hidden = ["template", "iframe", "object", "select", "textarea", "noscript"]
    parsed = html(
        "".join(f"<{tag}>unsaid</{tag}>" for tag in hidden) + "<dialog>unsaid</dialog><dialog open>said</dialog>"
    )
    assert parsed.text == "said\n"


def test_headings_stay_on_one_line_and_empty_ones_are_none() -> None:
    parsed = html("<h1></h1><h2><img src=x></h2><h3>a<br>b<div>c</div></h3>d")
    assert parsed.text == "### a b c\n\nd\n"
    assert [section.heading for section in parsed.sections] == ["a b c"]


def test_code_stays_code_whatever_stands_in_it() -> None:
    assert html("<pre>a\n~~~~\n<h1>b</h1> <c></pre># d").text == "~~~~\na\n~ ~ ~ ~\nb \n~~~~\n\n\\# d\n"
