"""Files of ill will, ill luck and ill making: each has an outcome that is known in advance."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from servers.documents.formats import LIMIT_BYTES, Parsed, Refused, parse, plain
from tests.servers.documents.formats import pdfs
from tests.servers.documents.formats.pdfs import says

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\6\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82"
GIF = b"GIF89a\1\0\1\0\0\0\0;"
JPEG = b"\xff\xd8\xff\xe0\0\20JFIF\0" + bytes(20) + b"\xff\xd9"
WEBP = b"RIFF\x10\0\0\0WEBPVP8L" + bytes(8)


@dataclass(frozen=True)
class Case:
    """A file, and what becomes of it: the code it is refused with, or what holds of what is kept."""

    about: str
    name: str
    data: Callable[[], bytes]
    outcome: str | Callable[[Parsed], bool]


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.md"), None)
    return out.getvalue()


def one(parsed: Parsed) -> bool:
    """It is kept whole, as one section."""
    return [(section.level, section.start, section.end) for section in parsed.sections] == [
        (0, 0, len(parsed.text or ""))
    ]


def titled(title: str) -> Callable[[Parsed], bool]:
    return lambda parsed: parsed.title == title


def noted(words: str) -> Callable[[Parsed], bool]:
    return lambda parsed: any(words in note for note in parsed.notes)


def text_is(text: str) -> Callable[[Parsed], bool]:
    return lambda parsed: parsed.text == text


YAML_BOMB = "a: &a [x,x]\n" + "".join(f"{b}: &{b} [*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))

CASES = [
    # Nothing, too much, and no text
    Case("no bytes", "a.md", lambda: b"", "empty"),
    Case("only blanks", "a.md", lambda: b" \n\t\r\n " * 100, "empty"),
    Case("a byte order mark and nothing else", "a.md", lambda: b"\xef\xbb\xbf", "empty"),
    Case("100 MB", "a.md", lambda: bytes(100_000_000), "too_large"),
    Case("a byte more than is taken", "a.txt", lambda: b"a" * (LIMIT_BYTES + 1), "too_large"),
    Case("more characters than are kept", "a.txt", lambda: b"a" * 5_000_001, "too_large"),
    Case("more lines than are read", "a.md", lambda: b"a\n" * 200_002, "too_large"),
    Case("zero bytes", "a.md", lambda: b"# A\n\0\0\0b", "binary"),
    Case("control characters", "a.txt", lambda: bytes(range(1, 9)) * 50, "binary"),
    Case(
        "a few control characters", "a.md", lambda: b"# A\x07 title\n\nA\x1b[31mtext of some length", titled("A title")
    ),
    Case("zeros in UTF-16", "a.txt", lambda: "\ufeffa\0b".encode("utf-16-le"), "binary"),
    # Encodings
    Case("UTF-8 with a mark", "a.md", lambda: b"\xef\xbb\xbf---\ntitle: T\n---\nx", titled("T")),
    Case("UTF-16 with a mark", "a.md", lambda: "# Grüße\n".encode("utf-16"), titled("Grüße")),
    Case("UTF-16 the other way round", "a.md", lambda: b"\xfe\xff" + "# Ω\n".encode("utf-16-be"), titled("Ω")),
    Case("UTF-16 without a mark", "a.md", lambda: ("# Hello " * 50).encode("utf-16-le"), "encoding"),
    Case("UTF-16 cut in a character", "a.md", lambda: "# Hello".encode("utf-16")[:-1], "encoding"),
    Case("UTF-32", "a.md", lambda: "# Hello".encode("utf-32"), "encoding"),
    Case("Latin-1", "a.md", lambda: "Grüße".encode("latin-1"), "encoding"),
    Case("Windows-1252", "a.txt", lambda: "“quoted”".encode("cp1252"), "encoding"),
    Case("half a character", "a.md", lambda: b"# \xed\xa0\x80", "encoding"),
    Case("half a character in UTF-16", "a.md", lambda: b"\xff\xfe\x00\xd8a\x00", "encoding"),
    Case("a character written too long", "a.md", lambda: b"# \xc0\xaf", "encoding"),
    Case(
        "a web page that lies about its encoding",
        "a.html",
        "<meta charset=latin1><p>Grüße".encode,
        text_is("Grüße\n"),
    ),
    Case(
        "a web page that tells the truth",
        "a.html",
        lambda: "<meta charset=latin1><p>Grüße".encode("latin-1"),
        "encoding",
    ),
    Case("lines that end the old way", "a.md", lambda: b"# A\r\rb\r\nc\n", text_is("# A\n\nb\nc\n")),
    Case("text turned round", "a.md", "# abc\u202efdp.exe\u202c\n".encode, titled("abcfdp.exe")),
    Case("unseen letters", "a.md", "# a\u200b\ufeff\U000e0041\U000e0042b\n".encode, titled("ab")),
    # Markdown
    Case("a million #", "a.md", lambda: b"#" * 1_000_000, one),
    Case("100,000 quotes in each other", "a.md", lambda: b">" * 100_000, one),
    Case("a list 60 deep", "a.md", lambda: b"- " * 60 + b"a\n\n# B\n", noted("too deep")),
    Case("100,000 brackets", "a.md", lambda: b"[" * 100_000, one),
    Case("100,000 parentheses", "a.md", lambda: b"[a](" + b"(" * 100_000, one),
    Case("100,000 asterisks and blanks", "a.md", lambda: b"* " * 100_000, one),
    Case("100,000 unclosed emphases", "a.md", lambda: b"*a _b " * 50_000, one),
    Case("100,000 unclosed links", "a.mdx", lambda: b"[a](b " * 50_000, one),
    Case("unclosed code of every length", "a.md", lambda: b" ".join(b"`" * n for n in range(1, 1_000)), one),
    Case("unclosed comments", "a.mdx", lambda: b"<!-- {/* " * 30_000, one),
    Case("unclosed tags", "a.mdx", lambda: b'<a b="<a ' * 30_000, one),
    Case("unclosed exports", "a.mdx", lambda: b"export const a = {\n\n" * 3_000, one),
    Case("4.9 million characters on a line", "a.md", lambda: b"word " * 980_000, one),
    Case("lists in lists in lists", "a.md", lambda: b"".join(b"  " * n + b"- a\n" for n in range(300)), one),
    Case(
        "50,000 headings",
        "a.md",
        lambda: b"# a\n" * 50_000,
        lambda p: len(p.sections) == 5_000 and p.sections[-1].end == 200_000 and p.sections[2].anchor == "a-2",
    ),
    Case(
        "headings named like the numbers of others",
        "a.md",
        lambda: b"# a\n# a\n# a-1\n# a\n# Top\n# !\n# ?\n",
        lambda p: [s.anchor for s in p.sections] == ["a", "a-1", "a-1-1", "a-2", "top", "section", "section-1"],
    ),
    Case(
        "a heading of 10,000 characters",
        "a.md",
        lambda: b"# " + b"word " * 2_000,
        lambda p: len(p.title) <= 300 and p.title.endswith("word…"),
    ),
    Case(
        "20,000 links",
        "a.md",
        lambda: b"".join(b"[a](%d) " % n for n in range(20_000)),
        lambda p: len(p.links) == 2_000 and p.links[-1].target == "1999",
    ),
    Case(
        "links that run", "a.md", lambda: b"[a](javascript:x) [b](\tdata:y) [c](JaVaScript:z)", lambda p: p.links == ()
    ),
    Case("a heading in code", "a.md", lambda: b"```\n# no\n```\n\n    # no\n\n<pre>\n# no\n</pre>\n", one),
    Case("a heading in code that has no end", "a.md", lambda: b"~~~\n# no\n```\n# no\n", one),
    Case("a name that says nothing", "---.md", lambda: b"x", titled("---")),
    Case("no name", "", lambda: b"x", lambda p: p.title == "Untitled" and p.media_type == "text/plain"),
    Case("a path for a name", "../../etc/a_b-c.md", lambda: b"x", titled("A b c")),
    # Front matter
    Case("YAML that grows", "a.md", f"---\n{YAML_BOMB}---\nx".encode, noted("no plain YAML")),
    Case(
        "YAML that names a class",
        "a.md",
        lambda: b"---\ntitle: !!python/object/apply:os.system [id]\n---\n",
        noted("no plain"),
    ),
    Case("YAML that is no mapping", "a.md", lambda: b"---\n- a\n- b\n---\nx", noted("no plain YAML")),
    Case("YAML that is broken", "a.md", lambda: b"---\ntitle: [a\n---\n# B\n", titled("B")),
    Case("YAML nested too deep", "a.md", lambda: b"---\na: " + b"[" * 10_000 + b"\n---\n# B\n", titled("B")),
    Case("YAML with zeros and half characters", "a.md", lambda: b'---\ntitle: "a\\0\\ud800b"\n---\nx', titled("ab")),
    Case("a title that is no word", "a.md", lambda: b"---\ntitle: {a: b}\n---\n# C\n", titled("C")),
    Case("front matter without end", "a.md", lambda: b"---\ntitle: a\n\n# B\n", noted("no end")),
    Case("front matter of 20 KB", "a.md", lambda: b"---\na: " + b"x" * 20_000 + b"\n---\n# B\n", noted("longer than")),
    Case(
        "nothing but front matter", "a.md", lambda: b"---\ntitle: a\n---\n", lambda p: p.text == "" and p.sections == ()
    ),
    # HTML
    Case("100,000 elements in each other", "a.html", lambda: b"<div>" * 100_000, "bomb"),
    Case("900 elements in each other", "a.html", lambda: b"<div>" * 900 + b"deep", text_is("deep\n")),
    Case("a page of entities", "a.html", lambda: b"&lt;" * 200_000, lambda p: p.text == "<" * 200_000 + "\n"),
    Case(
        "entities that declare each other",
        "a.html",
        lambda: b'<!DOCTYPE html [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><p>&b;&b;</p>',
        lambda p: len(p.text or "") < 50,
    ),
    Case(
        "scripts",
        "a.html",
        lambda: b"<p>a</p><script>b()</script><p onclick='c()'>d<style>e</style>",
        text_is("a\n\nd\n"),
    ),
    Case("a page that shows a script", "a.html", lambda: b"<p>&lt;script&gt;", text_is("\\<script>\n")),
    Case(
        "hidden words", "a.html", lambda: b"a<p hidden>b</p><p style='Display : none'>c</p><!-- d -->", text_is("a\n")
    ),
    Case("zeros by entity", "a.html", lambda: b"<h1>a&#0;&#xD800;b</h1>", titled("a\ufffd\ufffdb")),
    Case("a script alone", "a.html", lambda: b"<script>alert(1)</script>", lambda p: p.text == "" and p.sections == ()),
    Case("a page named Markdown", "a.md", lambda: b"<!-- x -->\n<!DOCTYPE html><p>a", "mismatch"),
    # PDF
    Case("a PDF that grows", "a.pdf", lambda: pdfs.pages([pdfs.flate(bytes(60_000_000))]), "bomb"),
    Case("a PDF that grows twice", "a.pdf", lambda: pdfs.pages([pdfs.flate(b" " * 60_000_000, 2)]), "bomb"),
    Case(
        "a PDF with a script",
        "a.pdf",
        lambda: pdfs.pages([says("a")], catalogue=b"/OpenAction 5 0 R"),
        noted("scripts"),
    ),
    Case("zeros in a PDF", "a.pdf", lambda: pdfs.pages([says("a\\000b")]), text_is("a\ufffdb\n\n")),
    Case("a PDF without its table", "a.pdf", pdfs.without_table, text_is("found again\n\n")),
    Case("a tree of pages that holds itself", "a.pdf", lambda: pdfs.tree(b"2 0 R 2 0 R"), "broken"),
    Case("a tree of pages that is a chain", "a.pdf", pdfs.chain, "bomb"),
    Case("one page 50,000 times", "a.pdf", lambda: pdfs.tree(b"10 0 R " * 50_000), "bomb"),
    Case("2,001 pages", "a.pdf", lambda: pdfs.pages([says("a")] * 2_001), "too_large"),
    Case("no pages", "a.pdf", lambda: pdfs.assembled({1: b"<< /Type /Catalog >>"}), "broken"),
    Case("a drawing that draws itself", "a.pdf", pdfs.drawn_by_itself, noted("no text")),
    Case("a content of 100,000 brackets", "a.pdf", lambda: pdfs.pages([pdfs.stream(b"[" * 100_000)]), noted("no text")),
    Case("an outline that holds itself", "a.pdf", pdfs.outline_in_itself, lambda p: len(p.sections) == 1),
    Case("a PDF with a password", "a.pdf", lambda: pdfs.encrypted(pdfs.pages([says("a")]), "secret"), "encrypted"),
    Case("a PDF that may not be copied", "a.pdf", lambda: pdfs.encrypted(pdfs.pages([says("a")]), ""), "encrypted"),
    Case("a PDF cut off", "a.pdf", lambda: pdfs.pages([says("a")])[:150], "broken"),
    Case("the beginning of a PDF", "a.pdf", lambda: b"%PDF-1.7\n", "broken"),
    Case("a PDF of noise", "a.pdf", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 100, "broken"),
    # Something else than its name says
    Case("HTML before a PDF, named PDF", "a.pdf", lambda: b"<html>" + pdfs.pages([says("a")]), "mismatch"),
    Case("text named PDF", "a.pdf", lambda: b"hello", "mismatch"),
    Case("a PDF named text", "a.txt", lambda: pdfs.pages([says("a")]), "mismatch"),
    Case("PNG named Markdown", "a.md", lambda: PNG, "mismatch"),
    Case("GIF named PNG", "a.png", lambda: GIF, "mismatch"),
    Case("text named PNG", "a.png", lambda: b"hello", "mismatch"),
    Case("a script named PNG", "a.png", lambda: b"<svg><script>x()</script></svg>", "mismatch"),
    # Pictures
    Case("PNG", "a.png", lambda: PNG, lambda p: p.media_type == "image/png" and p.text is None and p.sections == ()),
    Case("GIF, JPEG and WebP by content alone", "picture", lambda: GIF, lambda p: p.media_type == "image/gif"),
    Case("PNG cut off", "a.png", lambda: PNG[:-4], "broken"),
    Case("GIF cut off", "a.gif", lambda: GIF[:-1], "broken"),
    Case("JPEG cut off", "a.jpg", lambda: JPEG[:-1], "broken"),
    Case("WebP cut off", "a.webp", lambda: WEBP[:-1], "broken"),
    Case("SVG", "a.svg", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script>x()</script></svg>", "unsupported"),
    Case("TIFF", "picture", lambda: b"II*\0" + bytes(50), "unsupported"),
    # Archives
    Case("ZIP", "a.zip", lambda: zipped(a="b"), "archive"),
    Case("ZIP named PDF", "a.pdf", lambda: zipped(a="b"), "archive"),
    Case("an empty ZIP named text", "a.txt", zipped, "archive"),
    Case("ZIP behind a PDF", "a.pdf", lambda: pdfs.pages([says("a")]) + zipped(a="b"), "archive"),
    Case("ZIP behind a picture", "a.gif", lambda: GIF + zipped(a="b"), "archive"),
    Case("a gzip bomb named text", "a.txt", lambda: gzip.compress(bytes(10_000_000)), "archive"),
    Case("tar named Markdown", "a.md", tarred, "archive"),
    Case("7z", "a.7z", lambda: b"7z\xbc\xaf\x27\x1c" + bytes(50), "archive"),
    Case("zstd without an ending", "a", lambda: b"\x28\xb5\x2f\xfd" + bytes(50), "archive"),
    Case("Word", "a.docx", lambda: zipped(**{"word/document.xml": "<w/>"}), "unsupported"),
    Case("Word named Markdown", "a.md", lambda: zipped(**{"word/document.xml": "<w/>"}), "archive"),
    Case("Word of old", "a", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(50), "unsupported"),
    # Programs and the rest
    Case("a program", "a.exe", lambda: b"MZ\x90\0" + bytes(60), "unsupported"),
    Case("a program named text", "a.txt", lambda: b"\x7fELF" + bytes(60), "unsupported"),
    Case("a source file", "a.py", lambda: b"print()", "unsupported"),
    Case("RTF", "a.rtf", lambda: b"{\\rtf1 a}", "unsupported"),
    Case("an ending that is a sentence", "Dr. Who", lambda: b"hello", "unsupported"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_every_odd_file_has_its_outcome(case: Case) -> None:
    data = case.data()
    if isinstance(case.outcome, str):
        with pytest.raises(Refused) as refused:
            parse(case.name, data)
        assert refused.value.code == case.outcome
        assert len(refused.value.message) > 30
    else:
        assert case.outcome(parse(case.name, data))


def test_no_case_is_told_twice() -> None:
    assert len({case.about for case in CASES}) == len(CASES) >= 45


@pytest.mark.parametrize(
    ("name", "media_type", "outcome"),
    [
        ("a.md", "text/markdown; charset=utf-8", "text/markdown"),
        ("a.txt", "text/markdown", "text/markdown"),
        ("a", "TEXT/MDX", "text/mdx"),
        ("a.MD", None, "text/markdown"),
        ("a.md", "text/html", "mismatch"),
        ("a.md", "application/pdf", "mismatch"),
        ("a", "application/pdf", "mismatch"),
        ("a", "application/zip", "unsupported"),
        ("a.zip", "text/plain", "unsupported"),
    ],
)
def test_name_media_type_and_content_have_to_agree(name: str, media_type: str | None, outcome: str) -> None:
    if "/" in outcome:
        assert parse(name, b"hello", media_type).media_type == outcome
        return
    with pytest.raises(Refused) as refused:
        parse(name, b"hello", media_type)
    assert refused.value.code == outcome


@pytest.mark.parametrize(
    "odd",
    ["[", "![", "`a", "*a ", "_a", "<a ", '<a "<', "<!--", "{/*", "[a](", "](a", "> ", "- ", "|", "&", "<x hidden>"],
)
def test_plain_words_of_odd_text_are_had_too(odd: str) -> None:
    assert plain("before\n\n" + odd * 20_000 + "\n\n# After").startswith("before")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.md", b"secret \xff"),
        ("a.md", b"secret \0"),
        ("a.pdf", b"secret"),
        ("a.pdf", b"%PDF-1.7 secret"),
        ("a.md", b"%PDF-1.7 secret"),
        ("a.html", b"<secret>" * 2_000),
    ],
)
def test_a_refusal_says_nothing_of_the_content(name: str, data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse(name, data)
    assert "secret" not in str(refused.value)
