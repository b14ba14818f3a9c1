"""Folders made with ill will: nothing outside is read, nothing hangs, and each thing that is left out is named."""

import gzip
import io
import os
import socket
import stat
import threading
import zipfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servers.documents.formats.kinds import LIMIT_BYTES
from servers.documents.ingesting import opening
from servers.documents.ingesting.scanning import Scan, scan
from servers.documents.ingesting.skipping import Skip
from shared.core.errors import Invalid
from tests.servers.documents.formats import pdfs
from tests.servers.documents.ingesting.workshop import Workshop

pytestmark = pytest.mark.anyio

TEXT = b"# Text\n"
TAKEN = "taken as a document"
NOTHING = "not even named"
MB = 2**20


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", bytes(20 * MB))
    return out.getvalue()


def sparse(size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


def link(to: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


def tree(path: Path) -> None:
    path.mkdir()
    (path / "inside.md").write_bytes(TEXT)


def with_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"/proc/self/fd/{folder}/{path.name}")  # its whole path is longer than an address may be
    finally:
        os.close(folder)


def device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # as /dev/zero, which never ends


HOSTILE: Mapping[str, tuple[bytes | Callable[[Path], None], str]] = {
    # Ways out
    "link to a secret.md": (link("/etc/passwd"), "link"),
    "link to a sibling.md": (link("plain.md"), "link"),
    "link out of the folder.md": (link("../outside.md"), "link"),
    "link to nothing.md": (link("nowhere"), "link"),
    "link to itself.md": (link("link to itself.md"), "link"),
    "link to the root": (link("/"), "link"),
    "link to a folder": (link("sub"), "link"),
    "link upwards": (link(".."), "link"),
    "loop a": (link("loop b"), "link"),
    "loop b": (link("loop a"), "link"),
    # What never ends, or is no file
    "pipe.md": (os.mkfifo, "special"),
    "socket.md": (with_socket, "special"),
    **({"device.md": (device, "special")} if os.geteuid() == 0 else {}),
    # Too much
    "100 MB.md": (sparse(100 * MB), "too_large"),
    "1 TB.pdf": (sparse(2**40), "too_large"),
    "one byte too many.txt": (sparse(LIMIT_BYTES + 1), "too_large"),
    "zip bomb.zip": (zipped(), "archive"),
    "zip bomb.md": (zipped(), "archive"),
    "gzip bomb.txt": (gzip.compress(bytes(20 * MB)), "archive"),
    "PDF bomb.pdf": (pdfs.pages([pdfs.flate(bytes(60_000_000))]), "bomb"),
    "deep.html": (b"<div>" * 100_000, "bomb"),
    # Not what it says
    "empty.md": (b"", "empty"),
    "blank.md": (b" \n\t\n", "empty"),
    "zeros.md": (bytes(1000), "binary"),
    "program.md": (b"\x7fELF\x02\x01\x01" + bytes(100), "unsupported"),
    "picture.md": (b"\x89PNG\r\n\x1a\n" + bytes(40), "mismatch"),
    "office.docx": (zipped(), "unsupported"),
    "noise.txt": (bytes(range(1, 32)) * 40, "binary"),
    "latin-1.md": ("# Café\n".encode("latin-1"), "encoding"),
    "UTF-16.md": ("# Text\n".encode("utf-16-le"), "encoding"),
    "broken.pdf": (b"%PDF-1.7\nnothing", "broken"),
    # Names
    "line\nbreak.md": (TEXT, "name"),
    "bell\x07.md": (TEXT, "name"),
    "right-to-left\u202edm.exe.md": (TEXT, "name"),
    "zero\u200bwidth.md": (TEXT, "name"),
    "back\\slash.md": (TEXT, "name"),
    "per%2e%2ecent.md": (TEXT, "name"),
    "que?ry.md": (TEXT, "name"),
    "frag#ment.md": (TEXT, "name"),
    "<script>.md": (TEXT, "name"),
    " blank first.md": (TEXT, "name"),
    "blank last.md ": (TEXT, "name"),
    "not UTF-8 \udcff\udcfe.md": (TEXT, "name"),
    "n" * 252 + ".md": (TEXT, TAKEN),
    "caf\u00e9.md": (TEXT, "twin"),
    "cafe\u0301.md": (TEXT, TAKEN),
    "Case.md": (TEXT, TAKEN),
    "case.md": (TEXT, TAKEN),
    "...md": (TEXT, "hidden"),
    "tab\there": (tree, "name"),
    # Left out by rule, with all in them
    ".env": (b"SECRET=1\n", "hidden"),
    ".git": (tree, "hidden"),
    "node_modules": (tree, "machinery"),
    "__pycache__": (tree, "machinery"),
    # And what is meant to be there
    "plain.md": (TEXT, TAKEN),
    "sub": (tree, NOTHING),
}


def as_shown(name: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


async def test_each_thing_in_a_hostile_folder_comes_to_what_it_should(shop: Workshop) -> None:
    (shop.root.parent / "outside.md").write_text("# Secret\n")
    for name, (content, _) in HOSTILE.items():
        path = shop.root / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content(path)
    report = await shop.ingest(workers=2)
    left_out = {each.path: each.code for each in (*report.skipped, *report.ignored)}
    shown = await shop.shown()
    expected = {as_shown(name): code for name, (_, code) in HOSTILE.items() if code not in {TAKEN, NOTHING}}
    assert left_out == expected
    taken = {name for name, (_, code) in HOSTILE.items() if code == TAKEN} | {"sub/inside.md"}
    assert set(shown) == {name.replace("e\u0301", "\u00e9") for name in taken}
    assert len(HOSTILE) >= 50
    assert all(each.message.endswith(".") for each in report.skipped)
    secrets = await shop.sql("SELECT 1 FROM documents.versions WHERE text ~ 'root:|Secret|SECRET'")
    assert secrets == []


@contextmanager
def opened(folder: Path) -> Generator[int]:
    with opening.opened_root(folder) as descriptor:
        yield descriptor


def outcome(descriptor: int, *parts: str) -> str:
    try:
        return opening.read(descriptor, parts).decode()
    except Skip as skip:
        return skip.code


def test_what_is_swapped_for_a_link_after_it_was_seen_is_not_read(tmp_path: Path) -> None:
    folder, secret = tmp_path / "folder", tmp_path / "secret"
    (folder / "sub").mkdir(parents=True)
    secret.mkdir()
    (secret / "a.md").write_text("secret")
    (folder / "sub/a.md").write_text("fine")
    (folder / "b.md").write_text("fine")
    with opened(folder) as root:
        assert [file.parts for file in scan(root).files] == [("b.md",), ("sub", "a.md")]
        assert (outcome(root, "sub", "a.md"), outcome(root, "b.md")) == ("fine", "fine")
        (folder / "sub").rename(folder / "was")
        (folder / "sub").symlink_to(secret)
        (folder / "b.md").unlink()
        (folder / "b.md").symlink_to(secret / "a.md")
        assert (outcome(root, "sub", "a.md"), outcome(root, "b.md")) == ("link", "link")
        assert {outcome(root, *parts) for parts in (("..", "secret", "a.md"), (".", "a.md"), ("sub/../b.md",))} == {
            "name"
        }
        (folder / "b.md").unlink()
        assert outcome(root, "b.md") == "gone"
        os.mkfifo(folder / "b.md")
        assert outcome(root, "b.md") == "special"


@pytest.mark.parametrize("then", ["one two", "two", ""])
def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    file = tmp_path / "a.md"
    file.write_text("one")
    os.utime(file, ns=(0, 0))
    asked: list[int] = []
    fstat = os.fstat

    def changing(descriptor: int) -> os.stat_result:
        asked.append(descriptor)
        if len(asked) == 2:
            file.write_text(then)
        return fstat(descriptor)

    with opened(tmp_path) as root:
        monkeypatch.setattr(opening.os, "fstat", changing)
        assert outcome(root, "a.md") == "moving"
        assert outcome(root, "a.md") == then


def test_a_file_that_grows_beyond_the_limit_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LIMIT_BYTES", 1000)
    monkeypatch.setattr(opening, "refuse_large", id)  # it was small when that was asked
    (tmp_path / "a.md").write_bytes(bytes(5000))
    with opened(tmp_path) as root:
        assert outcome(root, "a.md") == "moving"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
def test_what_may_not_be_read_is_left_out_and_everything_below_may_be_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "a.md").write_bytes(TEXT)
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked/b.md").write_bytes(TEXT)
    (tmp_path / "a.md").chmod(0)
    (tmp_path / "locked").chmod(0)
    with opened(tmp_path) as root:
        os.seteuid(65534)
        try:
            found = scan(root)
            assert outcome(root, "a.md") == "unreadable"
        finally:
            os.seteuid(0)
    assert [(each.path, each.code) for each in found.skipped] == [("locked", "unreadable")]
    assert [found.may_hold(path) for path in ("locked/b.md", "locked/x/y.md", "a.md", "lock/b.md")] == [
        *(True, True, False, False)
    ]


def scanned(folder: Path, **more: Any) -> Scan:
    with opened(folder) as root:
        return scan(root, **more)


def test_a_folder_of_too_much_is_refused_as_a_whole(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.md").write_bytes(TEXT)
    assert len(scanned(tmp_path, most=30).files) == 30
    with pytest.raises(Invalid, match="more than 29 files and folders"):
        scanned(tmp_path, most=29)
    (tmp_path / "sub").mkdir()
    with pytest.raises(Invalid, match="more than 30 files and folders"):
        scanned(tmp_path, most=30)


def test_deep_nesting_ends(tmp_path: Path) -> None:
    here = tmp_path
    for number in range(60):
        here = here / f"d{number}"
        here.mkdir()
        (here / "a.md").write_bytes(TEXT)
    found = scanned(tmp_path)
    assert len(found.files) == 15
    assert [(each.code, each.path.count("/")) for each in found.skipped] == [("deep", 15)]
    assert found.may_hold("/".join(f"d{number}" for number in range(60)) + "/a.md")


def test_a_long_way_of_long_names_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 200) / ("b" * 200) / ("c" * 200)
    folder.mkdir(parents=True)
    (folder / "d.md").write_bytes(TEXT)
    assert [each.code for each in scanned(tmp_path).skipped] == ["name"]


@pytest.mark.parametrize("name", ["missing", "file.md", "nul\0"])
async def test_what_is_no_folder_is_refused(shop: Workshop, name: str) -> None:
    (shop.root / "file.md").write_bytes(TEXT)
    with pytest.raises(Invalid, match="cannot be read"):
        await shop.ingest(root=Path(f"{shop.root}/{name}"))


async def test_the_folder_itself_may_be_named_by_a_link(shop: Workshop, tmp_path: Path) -> None:
    shop.put({"a.md": TEXT})
    (tmp_path / "link").symlink_to(shop.root)
    assert (await shop.ingest(root=tmp_path / "link")).counts["added"] == 1


def test_a_pipe_swapped_in_does_not_keep_us_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.md")
    said: list[str] = []

    def look() -> None:
        with opened(tmp_path) as root:
            said.append(outcome(root, "a.md"))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(10)
    assert said == ["special"]
