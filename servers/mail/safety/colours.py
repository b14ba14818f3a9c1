"""Whether text can be told from its background: the contrast of WCAG 2.2 (§1.4.3), as far as a mail's colours say."""

import re

from selectolax.lexbor import LexborNode

Colour = tuple[int, int, int]
Pair = tuple[Colour, Colour]
PAPER: Pair = ((0, 0, 0), (255, 255, 255))
"""Text and background where a mail says nothing."""

_NAMED: dict[str, Colour] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "azure": (240, 255, 255),
    "honeydew": (240, 255, 240),
    "mintcream": (245, 255, 250),
    "seashell": (255, 245, 238),
    "aliceblue": (240, 248, 255),
    "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245),
    "floralwhite": (255, 250, 240),
    "lightyellow": (255, 255, 224),
    "lavenderblush": (255, 240, 245),
}
_CLEAR = re.compile(r"transparent|rgba\([^)]*[,/]\s*(?:0|0?\.0\d*|\d%)\s*\)")
_HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})(?:[0-9a-f]{2})?", re.IGNORECASE)
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]+)%?)?\s*\)", re.IGNORECASE)
_STYLED = re.compile(r"(?:^|;)\s*(color|background-color)\s*:\s*([^;]+)", re.IGNORECASE)

LEAST = 1.25
"""A contrast below it is none: 1 is the same colour, 21 black on white."""


def of(node: LexborNode, inherited: Pair) -> Pair:
    """The colours of text and background in an element."""
    text, ground = inherited
    given = node.attributes
    text = _colour(given.get("color")) or text
    ground = _colour(given.get("bgcolor")) or ground
    for name, value in _STYLED.findall(given.get("style") or ""):
        clear = _CLEAR.match(value.strip().lower()) is not None
        if name.lower() == "color":
            text = ground if clear else _colour(value) or text
        elif not clear:
            ground = _colour(value) or ground
    return text, ground


def contrast(pair: Pair) -> float:
    """From 1 to 21."""
    lighter, darker = sorted((_luminance(pair[0]), _luminance(pair[1])), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _colour(value: str | None) -> Colour | None:
    value = (value or "").replace("!important", "").strip().lower()
    if value in _NAMED:
        return _NAMED[value]
    if found := _RGB.fullmatch(value):
        return int(found[1]), int(found[2]), int(found[3])
    if (found := _HEX.fullmatch(value)) is None:
        return None
    digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])  # noqa: PLR2004 - rrggbb
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(min(part, 255) / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - of sRGB
