"""A file cannot harm the process that asks what is in it."""

import anyio
import anyio.lowlevel
import pytest

from servers.documents.formats import LIMIT_BYTES, Refused, parse, parse_apart
from servers.documents.formats.apart import MEMORY_LIMIT, apart
from tests.servers.documents.formats import pdfs

pytestmark = pytest.mark.anyio

ENDLESS = b"<p " + b" ".join(b"a%d" % number for number in range(300_000)) + b">"
"""Takes minutes: each attribute is compared with all before it."""

SMALL = b"<p>" + b"".join(b"<b id=%d>" % number for number in range(900)) + b"</p><p>x" * 25_000
"""Takes gigabytes: every paragraph is bold 900 times."""


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.md", b"# A\n"),
        ("b.md", b"# B\n\n" + b"words " * 60_000),
        ("c.html", b"<h1>C</h1>"),
        ("d.pdf", pdfs.outlined()),
        ("e.gif", b"GIF89a;"),
    ],
)
async def test_it_reads_what_parse_reads(name: str, data: bytes) -> None:
    assert await parse_apart(name, data) == parse(name, data)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.pdf", pdfs.encrypted(pdfs.pages([pdfs.says("a")]), "x"), "encrypted"),
        ("a.html", b"\xff", "encoding"),
        ("a.md", b"a\0\0", "binary"),
        ("a.md", bytes(LIMIT_BYTES + 1), "too_large"),
    ],
)
async def test_a_refusal_arrives_as_it_was_made(name: str, data: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        await parse_apart(name, data)
    with pytest.raises(Refused) as same:
        parse(name, data)
    assert (refused.value.code, refused.value.message) == (code, same.value.message)


async def test_what_takes_too_long_is_ended_and_the_next_is_read() -> None:
    with pytest.raises(Refused) as refused:
        await parse_apart("a.html", ENDLESS, time_limit_s=1)
    assert refused.value.code == "too_long"
    assert (await parse_apart("a.html", b"<h1>A</h1>")).title == "A"


@pytest.mark.parametrize(("time_limit_s", "code"), [(0.5, "too_long"), (20, "bomb")])
async def test_even_a_small_page_is_read_apart(time_limit_s: float, code: str) -> None:
    with pytest.raises(Refused) as refused:
        await parse_apart("a.html", SMALL, time_limit_s=time_limit_s)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("piece", "times"), [("<!-- ", 500_000), ("<!--\n\n", 99_000), ("export const a = {\n\n", 50_000)]
)
async def test_much_that_is_never_closed_is_read_in_time(piece: str, times: int) -> None:
    """Were its end looked for at each again, it would take minutes."""
    assert (await parse_apart("a.mdx", piece.encode() * times)).sections


async def test_who_no_longer_waits_does_not_leave_it_running() -> None:
    with anyio.move_on_after(1) as scope:
        await parse_apart("a.html", ENDLESS)
    assert scope.cancelled_caught
    assert (await parse_apart("a.html", b"<h1>A</h1>")).title == "A"


async def test_memory_has_an_end() -> None:
    with pytest.raises(Refused) as refused:
        await apart(greedy)
    assert refused.value.code == "bomb"


async def test_the_loop_turns_while_a_file_is_read() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        await parse_apart("a.md", b"words " * 60_000)
        group.cancel_scope.cancel()
    assert turns > 10, "a file that is read in the loop lets it turn once"


def greedy() -> int:
    """Runs in a process of its own."""
    return len(bytearray(2 * MEMORY_LIMIT))
