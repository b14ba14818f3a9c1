"""PDF files made by hand, so that they can be wrong in every way."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from zlib import compress

from pypdf import PdfWriter

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def flate(data: bytes, times: int = 1) -> bytes:
    """A stream packed so many times over."""
    for _ in range(times):
        data = compress(data, 9)
    return stream(data, b"/Filter [%s]" % (b"/FlateDecode " * times))


def says(*lines: str) -> bytes:
    """The content of a page that shows these lines."""
    shown = b" T* ".join(b"(%s) Tj" % line.encode() for line in lines)
    return stream(b"BT /F1 12 Tf 14 TL 72 720 Td " + shown + b" ET")


def assembled(objects: Mapping[int, bytes], trailer: bytes = b"", *, xref: bool = True) -> bytes:
    """A file of these numbered objects; the first is its catalogue."""
    out = BytesIO()
    out.write(b"%PDF-1.7\n")
    places: dict[int, int] = {}
    for number, body in objects.items():
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    size = max(objects) + 1
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % size)
    for number in range(1, size):
        out.write(b"%010d 00000 n \n" % places.get(number, 0))
    out.write(
        b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start if xref else 7)
    )
    return out.getvalue()


def pages(
    contents: Sequence[bytes], *, catalogue: bytes = b"", trailer: bytes = b"", more: Mapping[int, bytes] | None = None
) -> bytes:
    """A file with a page for each content stream. The first page is object 10, its content 11, the next 12, 13, …"""
    kids = b" ".join(b"%d 0 R" % (10 + 2 * n) for n in range(len(contents)))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalogue,
        2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents)),
        3: FONT,
    }
    for number, content in enumerate(contents):
        objects[10 + 2 * number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            b"/Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % (11 + 2 * number)
        )
        objects[11 + 2 * number] = content
    return assembled(objects | dict(more or {}), trailer)


def encrypted(data: bytes, password: str) -> bytes:
    writer = PdfWriter(clone_from=BytesIO(data))
    writer.encrypt(password, algorithm="AES-256")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def outlined() -> bytes:
    """Three pages; the outline names one heading on the first and two on the second."""
    entries = {
        5: b"<< /First 6 0 R /Last 7 0 R /Count 3 >>",
        6: b"<< /Title (Travel) /Parent 5 0 R /Next 7 0 R /Dest [10 0 R /Fit] >>",
        7: b"<< /Title (Expenses) /Parent 5 0 R /Prev 6 0 R /First 8 0 R /Last 8 0 R /Count 1 /Dest [12 0 R /Fit] >>",
        8: b"<< /Title (Meals) /Parent 7 0 R /Dest [12 0 R /Fit] >>",
    }
    contents = [says("Travel", "By train."), says("Expenses", "Keep receipts.", "Meals", "Up to 30."), says("The end.")]
    return pages(contents, catalogue=b"/Outlines 5 0 R", more=entries)


def tree(kids: bytes) -> bytes:
    """A file whose tree of pages has these children; 10 is a page."""
    return assembled(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [%s] /Count 1 >>" % kids,
            10: b"<< /Type /Page /Parent 2 0 R >>",
        }
    )


def chain() -> bytes:
    nodes = {n: b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % (n + 1) for n in range(2, 3_000)}
    return assembled({1: b"<< /Type /Catalog /Pages 2 0 R >>", **nodes, 3_000: b"<< /Type /Page >>"})


def without_table() -> bytes:
    """Where its objects are is told wrongly; readers look for them."""
    whole = pages([says("found again")])
    return whole[: whole.rindex(b"startxref")] + b"startxref\n7\n%%EOF\n"


def drawn_by_itself() -> bytes:
    form = b"/Type /XObject /Subtype /Form /Resources << /XObject << /X 12 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /Resources << /XObject << /X 12 0 R >> >> /Contents 11 0 R >>"
    return assembled(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [10 0 R] /Count 1 >>",
            10: page,
            11: stream(b"/X Do"),
            12: stream(b"/X Do /X Do", form),
        }
    )


def outline_in_itself() -> bytes:
    entries = {5: b"<< /First 6 0 R >>", 6: b"<< /Title (x) /Next 6 0 R /First 6 0 R /Dest [10 0 R /Fit] >>"}
    return pages([says("a")], catalogue=b"/Outlines 5 0 R", more=entries)
