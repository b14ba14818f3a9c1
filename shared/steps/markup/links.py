"""Where a link really leads, and whether its words say so."""

import re
from html import unescape
from urllib.parse import urlsplit

HARMLESS = frozenset({"http", "https", "mailto", "doc"})
"""Schemes that stay; a target without one is relative, and stays too."""

LOOK_AT = 300
"""Characters of a target that its scheme is looked for in."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]{0,39}):")
_IGNORED = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\ufeff]")
_HOST_WITHIN = 2000
_WEB = re.compile(r"(https?):(?=//)|(www)\.", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_TOP = "com|org|net|gov|edu|mil|int|io|dev|app|info|biz|co|me|eu|de|fr|uk|us|ch|at|nl|it|es|jp|cn|ru|br|example|test"
_WRITTEN_HOST = re.compile(
    rf"(?:https?:)?//([^\s/?#)\]>\"'‹›]+)|\b(www\.[a-z0-9.-]+)|^([a-z0-9-]+(?:\.[a-z0-9-]+){{0,3}}\.(?:{_TOP}))(?=$|[/:?#])"
)
_SHAPE = re.compile(r"[*_`~\\]")
ADDRESS = re.compile(r"(?i:https?://|www\.)[^\s<>()\[\]{}!\"'`‹›]*+")
"""An address that stands for itself in prose."""
_PICTURE = re.compile(r"\.(?i:png|jpe?g|gif|webp|svg|bmp|ico|avif|tiff?)(?![\w.-])")


def picture_end(text: str, start: int, end: int) -> int | None:
    """Where in an address the name of a picture ends, which a client may show; None if it names none."""
    found = _PICTURE.search(text, start, end)
    return found.end() if found else None


def scheme(target: str) -> str | None:
    """The scheme of a link's target as a browser reads it, in lower case; None if it is relative."""
    plain = _IGNORED.sub("", unescape(_ESCAPED.sub(r"\1", target[:LOOK_AT])))
    found = _SCHEME.match(plain)
    return found[1].lower() if found else None


def is_harmless(target: str) -> bool:
    if target.startswith(("https://", "http://", "/", "#", "./", "../")):
        return True
    return (found := scheme(target)) is None or found in HARMLESS


def disarmed(target: str) -> str:
    """What stands where a target led that must not be followed: `‹javascript›`."""
    return f"‹{scheme(target)}›"


def host(target: str) -> str | None:
    """The host of an absolute target, in lower case; None if it has none."""
    plain = _IGNORED.sub("", unescape(_ESCAPED.sub(r"\1", target[:_HOST_WITHIN])))
    try:
        return urlsplit(plain.replace("\\", "/")).hostname
    except ValueError:
        return None


def misleads(words: str, target: str) -> str | None:
    """The host a link leads to, if its words are an address at another; None if they are honest."""
    if "." not in words and "&" not in words and "//" not in words:
        return None
    said = _WRITTEN_HOST.search(_SHAPE.sub("", unescape(words)).strip().lower())
    if said is None or (real := host(target)) is None:
        return None
    written = host(f"//{next(filter(None, said.groups()))}")
    if written is None or words.rstrip().endswith(leads_to(real)):
        return None
    return None if _same(written, real) else real


def leads_to(real: str) -> str:
    """What is added to the words of a link that misleads."""
    return f" (leads to {real})"


def _same(one: str, other: str) -> bool:
    one, other = one.removeprefix("www."), other.removeprefix("www.")
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def inert(address: str) -> str:
    """The address as a reader knows it, and as no client takes it for one: `https[:]//…`."""
    return _WEB.sub(lambda found: f"{found[1]}[:]" if found[1] else f"{found[2]}[.]", address)
