"""Attachments are what they are called, and do not run."""

from io import BytesIO
from zipfile import ZipFile

import pytest

from servers.mail.safety.composing import compose
from tests.servers.mail.safety.mails import RULES, file, kinds, mail, received


def archive(*names: str) -> bytes:
    into = BytesIO()
    with ZipFile(into, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return into.getvalue()


NAMES = [
    ("report.pdf", "report.pdf"),
    ("../../etc/report.pdf", "report.pdf"),
    ("C:\\temp\\report.pdf", "report.pdf"),
    ("re\u202eport.pdf", "report.pdf"),
    ("report\u200b.pdf", "report.pdf"),
    ("CON.pdf", "_CON.pdf"),
    (" .report.pdf. ", "report.pdf"),
    ('a"b<c>.pdf', "a_b_c_.pdf"),
    ("", "attachment"),
    ("....", "attachment"),
    ("Übersicht 2026.pdf", "Übersicht 2026.pdf"),
    ("日本語.pdf", "日本語.pdf"),
    ("x" * 300 + ".pdf", "x" * 100 + ".pdf"),
    ("=?utf-8?q?a?=.pdf", None),
]


@pytest.mark.parametrize(("given", "name"), NAMES)
def test_a_file_goes_under_a_name_that_is_safe_on_any_system(given: str, name: str | None) -> None:
    built = compose(mail(attachments=(file(given),)), RULES)
    (written, content), *none = received(built.mime).files
    assert not none
    assert written == built.attachments[0].name
    assert content == b"%PDF-1.7"
    assert name is None or written == name
    assert compose(mail(attachments=(file(written),)), RULES).attachments[0].name == written


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\u2028", "\x00"])
def test_a_line_break_in_a_file_name_blocks_the_mail(line_end: str) -> None:
    built = compose(mail(attachments=(file(f'a.pdf"{line_end}Bcc: x@evil.test'),)), RULES)
    assert "header_injection" in kinds(built, "block")
    assert "bcc" not in received(built.mime).names


@pytest.mark.parametrize(
    "given",
    [
        file("setup.exe", "application/pdf"),
        file("invoice.pdf.exe"),
        file("invoice.pdf .scr"),
        file("invoice\u202efdp.exe"),
        file("invoice.EXE."),
        file("run.ps1", "text/plain"),
        file("link.lnk"),
        file("report.pdf", "application/pdf", b"MZ\x90\0"),
        file("report.pdf", "application/pdf", b"\x7fELF"),
        file("notes.txt", "text/plain", b"#!/bin/sh\n"),
        file("papers.zip", "application/zip", archive("a.txt", "b.pdf.js")),
    ],
)
def test_what_runs_when_it_is_opened_blocks_the_mail_and_is_left_out(given: object) -> None:
    built = compose(mail(attachments=(given,)), RULES)
    assert "executable" in kinds(built, "block")
    assert built.attachments == ()
    assert received(built.mime).files == []


def test_a_program_named_like_a_document_is_told_apart() -> None:
    assert "double_extension" in kinds(compose(mail(attachments=(file("invoice.pdf.exe"),)), RULES), "block")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (file("page.html", "text/html", b"<script>"), "active_content"),
        (file("picture.svg", "image/svg+xml", b"<svg>"), "active_content"),
        (file("sheet.xlsm", "application/zip", archive("xl/vbaProject.bin")), "active_content"),
        (file("report.pdf", "application/pdf", b"not one"), "type_differs"),
        (file("picture.png", "image/png", b"\xff\xd8\xff"), "type_differs"),
        (file("papers.zip", "application/zip", b"PK\x03\x04broken"), "type_differs"),
        (file("a.eml", "message/rfc822", b"Subject: x"), "media_type"),
        (file("a.bin2", "multipart/mixed", b"x"), "media_type"),
        (file("a.txt", "text/plain\r\nBcc: x", b"x"), "media_type"),
    ],
)
def test_what_a_person_should_look_at_is_named(given: object, kind: str) -> None:
    built = compose(mail(attachments=(given,)), RULES)
    assert kind in kinds(built, "warning")
    assert kinds(built, "block") == set()
    assert len(received(built.mime).files) == 1


def test_files_of_one_name_are_told_apart() -> None:
    built = compose(mail(attachments=(file(), file("REPORT.pdf"), file())), RULES)
    assert [each.name for each in built.attachments] == ["report.pdf", "REPORT-2.pdf", "report-3.pdf"]


def test_too_many_or_too_large_files_block_the_mail() -> None:
    many = compose(mail(attachments=tuple(file(f"{n}.pdf") for n in range(21))), RULES)
    large = compose(mail(attachments=(file(content=b"%PDF-" + b"x" * 8_000_000),)), RULES)
    for built in (many, large):
        assert "too_large" in kinds(built, "block")
        assert len(built.mime) < 1_000_000


def test_text_files_in_any_encoding_arrive_byte_for_byte() -> None:
    content = "ä\r\nb\n\n--=_x\r\n.\r\nFrom x\n".encode("utf-16")
    assert received(compose(mail(attachments=(file("a.txt", "text/plain", content),)), RULES).mime).files == [
        ("a.txt", content)
    ]


def test_text_that_is_too_much_to_search_is_named() -> None:
    files = tuple(file(f"{number}.txt", "text/plain", b"words " * 60_000) for number in range(4))
    named = [found.where for found in compose(mail(attachments=files), RULES).findings if found.kind == "not_scanned"]
    assert named == ["attachment 3", "attachment 4"]
