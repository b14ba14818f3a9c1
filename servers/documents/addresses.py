"""Where a document is: a collection and a path in it, and the URI that says both (RFC 3986)."""

import re
from dataclasses import dataclass
from unicodedata import normalize
from urllib.parse import parse_qsl, quote, unquote, urlsplit

COLLECTION = r"^[a-z0-9][a-z0-9-]{0,63}$"
PATH_MAX = 512
DEPTH_MAX = 16
EXAMPLE = "doc://handbook/security/passwords.md"

_SEGMENT = re.compile(r"[\w.~+@,()'-](?:[\w .~+@,()'-]*[\w.~+@,()'-])?")
_SAFE = "/-._~+@,()'"
_EXTENSIONS = {"md", "mdx", "markdown", "html", "htm", "txt", "pdf", "png", "jpg", "jpeg", "gif", "webp"}
_KEYS = {"version", "section", "offset"}


@dataclass(frozen=True, slots=True)
class Address:
    """One document.

    Attributes:
        path: Of segments with `/` between them; no `.` or `..`, NFC.
        version: None is the current one.
        section: The anchor of a section.
        offset: Characters (bytes of what is no text) to leave out.
    """

    collection: str
    path: str
    version: int | None = None
    section: str | None = None
    offset: int | None = None

    @property
    def uri(self) -> str:
        """Of the document itself, whatever version or part this names."""
        return uri_of(self.collection, self.path)

    @property
    def whole_uri(self) -> str:
        """With version, section and offset, as the resource template spells them."""
        named = {"version": self.version, "section": self.section, "offset": self.offset}
        query = "&".join(f"{key}={quote(str(value), safe='-._~')}" for key, value in named.items() if value is not None)
        return f"{self.uri}?{query}" if query else self.uri

    @property
    def stem(self) -> str:
        return stem_of(self.path)


def uri_of(collection: str, path: str = "") -> str:
    """Of a document; of a folder when the path ends with `/`; of the collection without one."""
    return f"doc://{collection}/{quote(path, safe=_SAFE)}" if path else f"doc://{collection}"


def stem_of(path: str) -> str:
    """The path as links of documentation sites have it: without extension, and without `index` or `README` at its end.

    The stem of a folder's index is the folder, and of the topmost one `.`, which no path is.
    """
    folder, _, name = path.rpartition("/")
    bare, _, extension = name.rpartition(".")
    if extension.lower() not in _EXTENSIONS:
        bare = name
    if bare.lower() in {"index", "readme"}:
        return folder or "."
    return f"{folder}/{bare}" if folder else bare


def above(path: str) -> list[str]:
    """The folders the path is in, each with `/` at its end, the topmost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) + "/" for count in range(len(parts))]


def checked_path(path: str) -> str:
    """The path in normal form.

    Raises:
        ValueError: It is none, or leads out of the collection.
    """
    path = normalize("NFC", path)
    if len(path) > PATH_MAX:
        raise ValueError(f"a path has at most {PATH_MAX} characters")
    segments = path.split("/")
    if len(segments) > DEPTH_MAX:
        raise ValueError(f"a path has at most {DEPTH_MAX} segments")
    for segment in segments:
        if segment in {".", ".."} or not _SEGMENT.fullmatch(segment):
            raise ValueError(
                "a path is made of segments with / between them: letters, digits and -._~+@,()' with blanks inside; "
                "no empty segment, no . and no .."
            )
    return path


def parse(uri: str) -> Address:
    """The address in a URI, which may name a version, a section and an offset too.

    Raises:
        ValueError: It is no URI of a document.
    """
    try:
        parts = urlsplit(uri)
        path = unquote(parts.path, errors="strict")[1:]
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict")
    except ValueError:
        raise ValueError(f"this is no URI of a document; they look like {EXAMPLE}") from None
    named = dict(given)
    plain = parts.scheme == "doc" and re.fullmatch(COLLECTION, parts.netloc) and not parts.fragment
    odd = len(named) < len(given) or "\\" in uri or "%2f" in parts.path.lower() or not uri.isprintable()
    if not plain or odd or named.keys() - _KEYS:
        raise ValueError(f"this is no URI of a document; they look like {EXAMPLE}")
    if not named.get("section", "").isprintable():
        raise ValueError("a section's anchor has no control characters")
    version, offset = (_number(named.get(key), key) for key in ("version", "offset"))
    return Address(parts.netloc, checked_path(path), version, named.get("section"), offset)


def _number(text: str | None, key: str) -> int | None:
    if text is not None and not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"{key} is a number")
    return None if text is None else int(text)
