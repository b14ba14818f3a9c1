"""Pictures are kept as they are and never decoded; only that they are whole is looked at."""

from servers.documents.formats.parsed import Parsed
from servers.documents.formats.refused import Refused
from servers.documents.formats.words import readable

_PNG_HEADER = slice(12, 16)


def image(name: str, data: bytes, media_type: str) -> Parsed:
    """What is kept of a picture.

    Raises:
        Refused: `broken` if its end is missing.
    """
    if not _whole(data, media_type):
        raise Refused("broken", "The picture is cut off. Hand in the whole file.")
    return Parsed(media_type, readable(name), "", None, (), (), ())


def _whole(data: bytes, media_type: str) -> bool:
    match media_type:
        case "image/png":
            return data[_PNG_HEADER] == b"IHDR" and b"IEND\xaeB`\x82" in data
        case "image/jpeg":
            return b"\xff\xd9" in data
        case "image/gif":
            return data.rstrip(b"\0").endswith(b"\x3b")
        case _:  # WebP, a RIFF file that says how long it is
            return int.from_bytes(data[4:8], "little") + 8 <= len(data)
