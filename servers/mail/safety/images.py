"""Images: none that tells anybody that the mail was opened.

A remote image is fetched when the mail is read, so its host learns who read it, when and where. Only hosts that the
tenant named may be asked. An image within the mail (`data:`) is kept if it is small and is what it says it is.
"""

import binascii
import re
from base64 import b64decode

from selectolax.lexbor import LexborNode

from servers.mail.safety.findings import Finding, excerpt
from servers.mail.safety.hosts import target
from servers.mail.safety.rules import Rules, covers

_DATA = re.compile(r"data:image/(png|gif|jpeg|webp);base64,([A-Za-z0-9+/]{4,44000}={0,2})")
_MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "gif": b"GIF8", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}
_TINY = re.compile(r"\s*[0-2](?:\.\d*)?\s*(?:px)?\s*")
_TINY_STYLE = re.compile(
    r"(?:^|;)\s*(?:(?:max-)?(?:width|height)\s*:\s*[0-2](?:px)?\s*(?:;|$)|display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0)",
    re.IGNORECASE,
)


def allowed(source: str, rules: Rules) -> str | None:
    """The source of an image that may be shown, else None."""
    source = source.strip()
    if source[:5].lower() == "data:":
        return source if _is_small_image(source) else None
    found = target(source)
    if found is None or found.scheme != "https" or found.credentials or found.numeric:
        return None
    return found.url if covers(rules.image_hosts, found.host) else None


def is_pixel(image: LexborNode) -> bool:
    """Whether an image is too small to be seen, or hidden."""
    given = image.attributes
    sides = (given.get("width") or "", given.get("height") or "")
    return any(_TINY.fullmatch(side) for side in sides) or _TINY_STYLE.search(given.get("style") or "") is not None


def removed(image: LexborNode, rules: Rules) -> Finding | None:
    """What is to be said of an image that is not shown; None if it is."""
    source = image.attributes.get("src") or ""
    if not source:
        return None
    remote = source.strip()[:5].lower() != "data:"
    if remote and is_pixel(image):
        what = "An image too small to be seen, which tells its host that the mail was opened, was taken out."
        return Finding("tracking_pixel", "warning", "html", what, excerpt(_host(source)))
    if allowed(source, rules) is not None:
        return None
    if remote:
        what = "An image that would be loaded from elsewhere was taken out; its words stay."
        return Finding("remote_image", "warning", "html", what, excerpt(_host(source)))
    what = "An image within the mail that is too large, or not a PNG, GIF, JPEG or WebP, was taken out."
    return Finding("data_image", "warning", "html", what, excerpt(source[:30]))


def _host(source: str) -> str:
    found = target(source)
    return found.host if found and found.host else source[:30]


def _is_small_image(source: str) -> bool:
    found = _DATA.fullmatch(source)
    if found is None:
        return False
    try:
        start = b64decode(found[2], validate=True)[:12]
    except (binascii.Error, ValueError):
        return False
    return start.startswith(_MAGIC[found[1]])
