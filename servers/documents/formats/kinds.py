"""What a file is. Name and content have to agree; neither alone is believed."""

import re
from pathlib import PurePosixPath

from servers.documents.formats.refused import Code, Refused

LIMIT_BYTES = 20 * 1024 * 1024
MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".mdx": "text/mdx",  # not registered with IANA; what mime-db and most tools use
    ".html": "text/html",
    ".htm": "text/html",
    ".txt": "text/plain",
    ".text": "text/plain",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
"""By the ending of a file's name, in lower case. A name without an ending can be any of these."""

_TAKEN = "Markdown, MDX, HTML, plain text, PDF, PNG, JPEG, GIF and WebP are taken"
_WRITTEN_ALIKE = {"text/markdown", "text/mdx", "text/plain"}
_OFFICE = {".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub", ".pages", ".key", ".numbers"}
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,1000}(?:<!--.{0,1000}?-->\s{0,1000})?<(?:!doctype\s+html|html)\b",
    re.IGNORECASE | re.DOTALL,
)
_MAGIC: list[tuple[int, bytes, str]] = [
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"PK\x03\x04", "archive"),
    (0, b"PK\x05\x06", "archive"),
    (0, b"PK\x07\x08", "archive"),
    (0, b"\x1f\x8b", "archive"),  # gzip
    (0, b"7z\xbc\xaf\x27\x1c", "archive"),
    (0, b"Rar!\x1a\x07", "archive"),
    (0, b"BZh", "archive"),
    (0, b"\xfd7zXZ\x00", "archive"),
    (0, b"\x28\xb5\x2f\xfd", "archive"),  # zstd
    (0, b"\x04\x22\x4d\x18", "archive"),  # lz4
    (257, b"ustar", "archive"),  # tar
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "unsupported"),  # Office before 2007
    (0, b"{\\rtf", "unsupported"),
    (0, b"\x7fELF", "unsupported"),
    (0, b"MZ\x90\x00", "unsupported"),  # a Windows program; `MZ` alone begins words
    (0, b"\xfe\xed\xfa", "unsupported"),  # Mach-O
    (0, b"\xcf\xfa\xed\xfe", "unsupported"),
    (0, b"II*\x00", "unsupported"),  # TIFF
    (0, b"MM\x00*", "unsupported"),
    (0, b"\x00\x00\x01\x00", "unsupported"),  # icon
    (4, b"ftyp", "unsupported"),  # HEIC, AVIF, MP4
    (0, b"OggS", "unsupported"),
    (0, b"ID3", "unsupported"),
    (0, b"SQLite format 3\x00", "unsupported"),
]


def recognised(name: str, data: bytes, media_type: str | None = None) -> str:
    """The media type of a file, one of `MEDIA_TYPES`.

    Args:
        name: The file's name, or a path that ends in it.
        data: All of its bytes.
        media_type: What the sender calls it, if known; parameters are ignored.

    Raises:
        Refused: `empty`, `too_large`, `archive`, `unsupported`, or `mismatch` between name, type and content.
    """
    if not data or data.isspace():
        raise Refused("empty", "The file is empty. Put something into it, or leave it out.")
    if len(data) > LIMIT_BYTES:
        raise Refused(
            "too_large", f"{len(data):,} bytes; at most {LIMIT_BYTES:,} are taken. Split the document into parts."
        )
    content = _content(data)
    wanted = _wanted(name, media_type, content)
    if content == "archive":
        raise Refused("archive", f"This is an archive. Unpack it and hand in the documents; {_TAKEN}.")
    if content == "unsupported":
        raise Refused("unsupported", f"This format is not read: {_TAKEN}. Export it as one of these.")
    wanted = wanted or content or "text/plain"
    is_text = wanted in _WRITTEN_ALIKE or wanted == "text/html"
    if (content or "text/plain") != wanted and not (is_text and content is None):
        message = (
            f"The name says {wanted}, the content is {content or 'something else'}. Give it the name of what it is."
        )
        raise Refused("mismatch", message)
    return wanted


def _content(data: bytes) -> str | None:
    """The media type the content shows, `archive`, `unsupported`, or None for what may be text."""
    found = next((kind for at, magic, kind in _MAGIC if data[at : at + len(magic)] == magic), None)
    if found == "image/webp" and not data.startswith(b"RIFF"):
        found = None
    if found not in {"archive", "unsupported"} and _ends_as_zip(data):
        return "archive"
    return "text/html" if found is None and _HTML.match(data) else found


def _ends_as_zip(data: bytes) -> bool:
    """Whether the file is a ZIP archive with something else in front, as readers of ZIP allow."""
    at = data.rfind(b"PK\x05\x06", -(65536 + 22))
    return at > 0 and len(data) >= at + 22 and at + 22 + int.from_bytes(data[at + 20 : at + 22], "little") == len(data)


def _wanted(name: str, media_type: str | None, content: str | None) -> str | None:
    """What name and sender say it is; None if they say nothing."""
    ending = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    named = MEDIA_TYPES.get(ending)
    if ending and named is None:
        code: Code = "archive" if content == "archive" and ending not in _OFFICE else "unsupported"
        raise Refused(code, f"Files named {ending[:20]} are not read: {_TAKEN}. Export it as one of these.")
    told = media_type.partition(";")[0].strip().lower() if media_type else None
    if told and told not in MEDIA_TYPES.values():
        raise Refused("unsupported", f"{told[:100]} is not read: {_TAKEN}.")
    if named and told and named != told and not {named, told} <= _WRITTEN_ALIKE:
        raise Refused("mismatch", f"The name says {named}, the media type {told}. Make them agree, or leave one out.")
    return told or named
