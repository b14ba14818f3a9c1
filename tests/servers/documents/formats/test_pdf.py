"""What is kept of a PDF."""

import logging

import pytest

from servers.documents.formats import parse
from tests.servers.documents.formats import pdfs
from tests.servers.documents.formats.pdfs import says


def test_pages_are_sections() -> None:
    parsed = parse("a-b.pdf", pdfs.pages([says("Hello", "there"), pdfs.stream(b""), says("End")]))
    assert (parsed.title, parsed.summary, parsed.notes) == ("A b", "Hello there", ())
    assert parsed.text == "Hello\nthere\n\n\n\nEnd\n\n"
    assert [
        (section.heading, section.anchor, parsed.text[section.start : section.end]) for section in parsed.sections
    ] == [
        ("Page 1", "page-1", "Hello\nthere\n\n"),
        ("Page 2", "page-2", "\n\n"),
        ("Page 3", "page-3", "End\n\n"),
    ]


def test_title_and_subject_are_those_of_its_information() -> None:
    data = pdfs.pages([says("x")], trailer=b"/Info << /Title (The \\(best\\) book) /Subject (On things) >>")
    parsed = parse("a.pdf", data)
    assert (parsed.title, parsed.summary) == ("The (best) book", "On things")


def test_an_outline_cuts_where_its_words_stand() -> None:
    parsed = parse("a.pdf", pdfs.outlined())
    assert parsed.text is not None
    assert [(s.level, s.heading, parsed.text[s.start : s.end]) for s in parsed.sections] == [
        (1, "Travel", "Travel\nBy train.\n\n"),
        (1, "Expenses", "Expenses\nKeep receipts.\n"),
        (2, "Meals", "Meals\nUp to 30.\n\nThe end.\n\n"),
    ]


def test_its_warnings_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        parse("a.pdf", pdfs.without_table())
    assert not [record for record in caplog.records if record.name.startswith("pypdf")]
