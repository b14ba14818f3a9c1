"""Bytes to characters: UTF-8, or UTF-16 that says so. Nothing is guessed: a wrong guess is found by nobody."""

import codecs
import re

from servers.documents.formats.refused import Refused

_MARKS = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, ""),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
]
_CONTROLS = re.compile("[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_LOOKED_AT = 8192
_TELLING = 0.3
_CONVERT = "Convert it to UTF-8, e.g. with `iconv -f ISO-8859-1 -t UTF-8`, naming the encoding it is in, and try again."


def decoded(data: bytes) -> str:
    """The characters of a text file, without byte order mark, each line ended by one line feed.

    Raises:
        Refused: `encoding` if it is neither UTF-8 nor UTF-16 with a byte order mark, `binary` if it is no text.
    """
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    if encoding == "utf-8" and b"\0" in data:
        raise _with_zeros(data)
    try:
        text = data[len(mark) :].decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except (UnicodeDecodeError, LookupError):
        raise Refused("encoding", f"The text is not valid UTF-8. {_CONVERT}") from None
    if "\0" in text or len(_CONTROLS.findall(text[:_LOOKED_AT])) > len(text[:_LOOKED_AT]) / 10:
        raise Refused("binary", "This is no text: it holds control characters. Only text can have such a name.")
    if not text.strip():
        raise Refused("empty", "The file holds nothing but blanks. Put something into it, or leave it out.")
    return text


def _with_zeros(data: bytes) -> Refused:
    """Every other byte of Western text in UTF-16 is zero."""
    head = data[:_LOOKED_AT]
    even, odd = (head[first::2].count(0) / max(len(head[first::2]), 1) for first in (0, 1))
    if len(head) > 1 and max(even, odd) > _TELLING and min(even, odd) < _TELLING / 10:
        return Refused(
            "encoding", "This looks like UTF-16 without a byte order mark. Convert it to UTF-8 and try again."
        )
    return Refused("binary", "This is no text: it holds zero bytes. Only text can have such a name.")
