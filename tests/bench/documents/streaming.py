"""Memory while large documents are read in pieces, by several readers at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from servers.documents.addresses import uri_of
from servers.documents.contents import BYTES_MAX, TEXT_MAX
from servers.documents.formats.parsed import Section
from servers.documents.ingesting import storing
from servers.documents.preparing import Prepared
from shared.state.database import SET_CALLER, Transaction, connect
from shared.state.roles import Urls
from tests.bench.documents import asks
from tests.bench.documents.corpus import Made, language
from tests.bench.documents.library import RIGHTS, TENANT, item
from tests.bench.documents.memory import Peak, watching
from tests.bench.load import Window, press
from tests.bench.machine import Cores
from tests.bench.targets import Target

STREAMED = "bench-streamed"
"""The collection; forgotten at the end of a run."""
READERS = 8

_FIRST = 6_000_000
_SECTIONS = 50


@dataclass(frozen=True)
class Streamed:
    """What it came to.

    Attributes:
        size: Bytes of the document.
        piece: Bytes of one answer's content, at most.
    """

    said: str
    size: int
    piece: int
    window: Window
    peak: Peak


async def measure(
    urls: Urls, target: Target, cores: Cores, pdf_mb: int, text_mb: int, seconds: float
) -> Sequence[Streamed]:
    """Read one PDF and one text over and over, each reader its own piece."""
    pdf, text = _pdf(pdf_mb * 2**20), _text(text_mb * 10**6)
    await _store(urls, [pdf, text])
    token = target.token or ""
    found: list[Streamed] = []
    pieces = {
        f"a PDF of {pdf_mb} MiB": _uris(pdf, len(pdf.prepared.content), BYTES_MAX),
        f"a text of {text_mb} MB": _uris(text, len(text.prepared.text or ""), TEXT_MAX),
    }
    for said, (size, piece, uris) in pieces.items():
        asked = asks.pieces(target.port, token, uris)
        async with target.running(next(asked()), cores) as (process_id,):
            async with watching(process_id) as peak:
                window = await press(target.ports, asked, READERS, seconds, 0)
            found.append(Streamed(said, size, piece, window, peak))
    return found


def _uris(made: Made, size: int, piece: int) -> tuple[int, int, list[str]]:
    uri = uri_of(made.collection, made.path)
    return size, piece, [uri, *(f"{uri}?offset={start}" for start in range(piece, size, piece))]


async def _store(urls: Urls, those: Sequence[Made]) -> None:
    connection = await connect(urls.app, "bench")
    try:
        async with connection.transaction():
            await connection.execute(SET_CALLER, TENANT, RIGHTS)
            items = [item(TENANT, _FIRST + number, made) for number, made in enumerate(those)]
            await storing.write(Transaction(connection), TENANT, "bench", STREAMED, items)
    finally:
        await connection.close()


def _pdf(size: int) -> Made:
    """Bytes that nothing can compress; nobody parses them here."""
    content = b"%PDF-1.7\n" + Random("pdf").randbytes(size - 9)
    words = "Pages of a report."
    sections = (Section(0, 0, "", "top", 0, len(words)),)
    prepared = Prepared(content, "application/pdf", "A report", "", (), words, sections, (words,), (), ())
    return Made(STREAMED, "report.pdf", prepared, "internal", ("tenant",), ())


def _text(size: int) -> Made:
    chance, spoken = Random("text"), language()
    pieces: list[str] = []
    for number in range(_SECTIONS):
        body = " ".join(chance.choices(spoken.general, k=size // _SECTIONS // 70))
        pieces.append(f"# Chapter {number}\n\n{body}"[: size // _SECTIONS - 2] + "\n\n")
    starts = [sum(map(len, pieces[:number])) for number in range(_SECTIONS + 1)]
    sections = tuple(
        Section(number, 1, f"Chapter {number}", f"chapter-{number}", starts[number], starts[number + 1])
        for number in range(_SECTIONS)
    )
    text = "".join(pieces)
    prepared = Prepared(text.encode(), "text/markdown", "A book", "", (), text, sections, tuple(pieces), (), ())
    return Made(STREAMED, "book.md", prepared, "internal", ("tenant",), ())
