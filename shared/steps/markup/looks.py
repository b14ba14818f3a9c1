"""What a style hides or fetches, as far as the style itself says; sheets, scripts and variables are not read."""

import re
from functools import lru_cache
from html import unescape

_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_ESCAPE = re.compile(r"\\([0-9a-fA-F]{1,6})\s?|\\(.)", re.DOTALL)
_CAMEL = re.compile(r"(?<=[a-z])([A-Z])")
_BETWEEN = re.compile(r",(?![^()]{0,99}\))")
_QUOTES = re.compile(r"[{}\"'`]")
_NUMBER = re.compile(r"^([+-]?(?:\d+(?:\.\d*)?|\.\d+))([a-z%]*)")
_FETCHES = re.compile(r"url\(|image-set\(|image\(|@import|expression\(|behavior:|-moz-binding")
_SMALL = {"": 2.0, "px": 2.0, "pt": 2.0, "em": 0.15, "rem": 0.15, "ex": 0.3, "ch": 0.3, "%": 15.0, "vw": 0.1, "vh": 0.1}
_FAR = 500
_PALE = 0xEF
_FAINT = 0.1
_NAMED = {
    "white": "#ffffff", "snow": "#fffafa", "ivory": "#fffff0", "ghostwhite": "#f8f8ff", "whitesmoke": "#f5f5f5",
    "floralwhite": "#fffaf0", "azure": "#f0ffff", "mintcream": "#f5fffa", "black": "#000000",
}  # fmt: skip
_UNSEEN_CLASSES = frozenset({
    "hidden", "d-none", "is-hidden", "sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text", "invisible",
    "opacity-0", "text-transparent",
})  # fmt: skip
_SHOWN_SOMEWHERE = re.compile(
    r"(?:^|\s)[\w-]+:(?:block|inline|inline-block|flex|inline-flex|grid|contents|table|visible|not-sr-only|opacity-\d+)"
    r"|(?:^|\s)d-(?:sm|md|lg|xl|xxl|print)-(?:block|inline|flex|grid)"
)
_CLIPPED = re.compile(
    r"rect\(0|rect\(1px|inset\((?:[5-9]\d|100)%|circle\(0|polygon\(0 ?0(?:,0 ?0)*\)|scale[xy]?\(0[,)]"
)


@lru_cache(maxsize=512)
def hides(style: str, *, script: bool = False) -> bool:
    """Whether an element with this style shows nothing; with `script` it is a JSX object (`{display: 'none'}`)."""
    return _hides(_declared(style, script=script))


def fetches(style: str) -> bool:
    """Whether it makes a client ask for an address."""
    return bool(_FETCHES.search(_plain(style)))


def hides_by_class(names: str) -> bool:
    """Whether one of the well-known utility classes hides it on every screen."""
    return not _UNSEEN_CLASSES.isdisjoint(names.split()) and not _SHOWN_SOMEWHERE.search(names)


def is_pale(color: str) -> bool:
    """White, or so near to it that it is not seen on white."""
    return (found := _rgba(color)) is not None and min(found[:3]) >= _PALE


def _plain(style: str) -> str:
    """Without the ways to write the same otherwise: entities, comments, escapes, case."""
    text = _COMMENT.sub("", unescape(style))
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16) % 0x110000) if match[1] else match[2], text)
    return text.lower()


def _declared(style: str, *, script: bool) -> dict[str, str]:
    if script:
        style = _CAMEL.sub(r"-\1", _BETWEEN.sub(";", _QUOTES.sub("", style)))
    pairs = (part.partition(":") for part in _plain(style).split(";"))
    return {
        re.sub(r"\s", "", name): re.sub(r"\s+", " ", value).replace("!important", "").strip()
        for name, _, value in pairs
    }


def _hides(style: dict[str, str]) -> bool:
    return (
        style.get("display") == "none"
        or style.get("visibility") in {"hidden", "collapse"}
        or style.get("content-visibility") == "hidden"
        or _under(style.get("opacity"), _FAINT, 100 * _FAINT)
        or _tiny(style.get("font-size"))
        or style.get("font", "").startswith(("0/", "0 ", "0px"))
        or _without_room(style)
        or _aside(style)
        or _without_color(style)
    )


def _number(value: str | None) -> tuple[float, str] | None:
    found = _NUMBER.match(value or "")
    return (float(found[1]), found[2]) if found else None


def _under(value: str | None, most: float, most_percent: float) -> bool:
    found = _number(value)
    return found is not None and found[0] < (most_percent if found[1] == "%" else most)


def _tiny(size: str | None) -> bool:
    found = _number(size)
    return found is not None and (found[0] == 0 or found[0] <= _SMALL.get(found[1], 0))


def _without_room(style: dict[str, str]) -> bool:
    cut = any(style.get(name) in {"hidden", "clip"} for name in ("overflow", "overflow-x", "overflow-y"))
    padded = any(name.startswith("padding") for name in style)
    for name in ("width", "height", "max-width", "max-height"):
        found = _number(style.get(name))
        small = found is not None and found[0] <= 1 and found[1] in {"", "px"}
        if found is not None and small and (cut or (found[0] == 0 and not padded)):
            return True
    return bool(_CLIPPED.search("".join(style.get(name, "") for name in ("clip", "clip-path", "transform"))))


def _aside(style: dict[str, str]) -> bool:
    moved = [style.get(name) for name in ("left", "top", "right", "bottom", "text-indent", "margin-left", "margin-top")]
    moved += re.findall(r"translate[xy3d]{0,2}\(([^)]*)", style.get("transform", ""))
    numbers = [found for part in moved if part for piece in part.split(",") if (found := _number(piece.strip()))]
    return any((abs(number) >= _FAR and number < 0) or number >= 10 * _FAR for number, _ in numbers)


def _without_color(style: dict[str, str]) -> bool:
    ink = style.get("-webkit-text-fill-color") or style.get("color")
    if not ink:
        return False
    ground = style.get("background-color") or style.get("background")
    seen = _rgba(ink)
    if ink == "transparent" or (seen is not None and seen[3] < _FAINT):
        return True
    behind = _rgba(ground) if ground else (255, 255, 255, 1.0)
    if seen is None or behind is None:
        return ground is not None and ink == ground
    return max(abs(one - two) for one, two in zip(seen[:3], behind[:3], strict=True)) <= 0xFF - _PALE


def _rgba(color: str) -> tuple[int, int, int, float] | None:
    color = _NAMED.get(color.strip(), color.strip())
    if found := re.fullmatch(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", color):
        digits = found[1] if len(found[1]) > 4 else "".join(digit * 2 for digit in found[1])  # noqa: PLR2004 - #rgba
        red, green, blue, alpha = (int(digits.ljust(8, "f")[place : place + 2], 16) for place in (0, 2, 4, 6))
        return red, green, blue, alpha / 255
    if found := re.match(r"rgba?\(\s?(\d{1,3})[, ]+(\d{1,3})[, ]+(\d{1,3})\s?(?:[,/]\s?([\d.]+%?))?", color):
        alpha, unit = _number(found[4]) or (1.0, "")
        return int(found[1]), int(found[2]), int(found[3]), alpha / 100 if unit else alpha
    if found := re.match(r"hsla?\([^,]+,\s?[\d.]+%,\s?100%", color):
        return 255, 255, 255, 1.0
    return None
