"""From a file's bytes to what is kept of it: safe text, cut into sections, with the words it is found by."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from posixpath import normpath
from urllib.parse import unquote, urlsplit

from anyio import to_thread

from servers.documents.addresses import COLLECTION, PATH_MAX, stem_of
from servers.documents.disarming import disarmed
from servers.documents.formats.apart import parse_apart
from servers.documents.formats.parsed import Link, Parsed, Section
from servers.documents.formats.plain import plain

LINKS_MAX = 500


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file, ready to be stored.

    Attributes:
        text: What is shown, searched and cut into sections; None for images.
        plains: The visible words of each section.
        links: Collection and stem of the documents it links to.
        found: What was disarmed in its text, or reads like an order to a model.
    """

    content: bytes
    media_type: str
    title: str
    summary: str
    labels: tuple[str, ...]
    text: str | None
    sections: tuple[Section, ...]
    plains: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    found: tuple[str, ...]

    @property
    def digest(self) -> str:
        return digest_of(self.content)


def digest_of(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


async def prepare(collection: str, path: str, content: bytes) -> Prepared:
    """What to keep of a file.

    Raises:
        Refused: It is none we keep; see `servers.documents.formats`.
    """
    parsed = await parse_apart(path.rpartition("/")[2], content)
    return await to_thread.run_sync(prepared, collection, path, content, parsed)


def prepared(collection: str, path: str, content: bytes, parsed: Parsed) -> Prepared:
    """The same of a file that was read already. Takes time in proportion to its text."""
    parsed, found = disarmed(parsed)
    text = parsed.text
    plains = tuple(plain(text[section.start : section.end]) for section in parsed.sections) if text else ()
    return Prepared(
        content, parsed.media_type, parsed.title, parsed.summary, parsed.labels, text, parsed.sections, plains,
        tuple(_resolved(collection, path, parsed.links)), found,
    )  # fmt: skip


def _resolved(collection: str, path: str, found: Sequence[Link]) -> list[tuple[str, str]]:
    """The documents that are linked to, each once; other sites' pages and the document itself are none."""
    targets = (_target(collection, path, link.target) for link in found)
    others = dict.fromkeys(target for target in targets if target and _is_one(*target))
    others.pop((collection, stem_of(path)), None)
    return list(others)[:LINKS_MAX]


def _is_one(collection: str, stem: str) -> bool:
    """Whether a document can be there; NUL and very long stems are also more than PostgreSQL keeps."""
    return bool(re.fullmatch(COLLECTION, collection)) and len(stem) <= PATH_MAX and stem.isprintable()


def _target(collection: str, path: str, link: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    if parts.scheme == "doc":
        return (parts.netloc, stem_of(unquote(parts.path).strip("/"))) if parts.path else None
    if parts.scheme or parts.netloc or not parts.path:
        return None
    linked = unquote(parts.path)
    folder = "" if linked.startswith("/") else path.rpartition("/")[0]
    joined = normpath(f"/{folder}/{linked}").strip("/")
    return collection, stem_of(joined) if joined else "."
