"""CSS in `style` attributes: properties that a mail is laid out with, and values that neither load nor hide."""

import re

_PROPERTIES = frozenset(
    """
    background-color border border-bottom border-bottom-color border-bottom-style border-bottom-width border-collapse
    border-color border-left border-left-color border-left-style border-left-width border-radius border-right
    border-right-color border-right-style border-right-width border-spacing border-style border-top border-top-color
    border-top-style border-top-width border-width caption-side clear color direction float font-family font-size
    font-style font-variant font-weight height letter-spacing line-height list-style-type margin margin-bottom
    margin-left margin-right margin-top max-width min-width padding padding-bottom padding-left padding-right
    padding-top table-layout text-align text-decoration text-transform vertical-align white-space width word-break
    word-spacing word-wrap
    """.split()  # noqa: SIM905 - a list of bare words is read at a glance
)
"""Neither `position`, `display`, `opacity`, `transform` nor `overflow`: they show a mail as what it is not."""

_VALUE = re.compile(r"(?:[\w\s#.,%!\"'+-]|rgba?\([\d\s.,%/]{1,40}\)){1,200}", re.IGNORECASE)
_NEGATIVE = re.compile(r"(?:^|\s)-\s*\d")
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(px|pt|em|rem|%|ex|ch|mm|cm|in|pc|vw|vh|vmin|vmax)?", re.IGNORECASE)
_SMALLEST = {"px": 6.0, "pt": 5.0, "em": 0.75, "rem": 0.5, "%": 75.0}
_PARTS = frozenset({"font-size", "line-height"})

_HIDES = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*(?:0(?:\.[0-2]\d*)?|\.[0-2]\d*)\s*(?:;|!|$)"
    r"|mso-hide\s*:\s*all|(?:max-)?height\s*:\s*0(?:px)?\s*(?:;|!|$)|text-indent\s*:\s*-\s*\d{3,}"
    r"|(?:left|top|margin-left|margin-top)\s*:\s*-\s*\d{3,}|clip(?:-path)?\s*:)",
    re.IGNORECASE,
)


def safe(style: str) -> str | None:
    """The declarations that may stay, in the form that they keep when they are read again; None if none may."""
    if "\\" in style or "/*" in style:
        return None
    kept: list[str] = []
    for declaration in style.split(";")[:100]:
        name, colon, value = declaration.partition(":")
        name, value = name.strip().lower(), " ".join(value.split())
        if colon and name in _PROPERTIES and _fits(name, value):
            kept.append(f"{name}:{value}")
    return ";".join(kept) or None


def hides(style: str) -> bool:
    """Whether it would hide what is written, from whoever reads the mail but not from programs."""
    if _HIDES.search(style):
        return True
    sizes = (part.partition(":") for part in style.split(";"))
    return any(name.strip().lower() == "font-size" and _too_small(value) for name, _, value in sizes)


def _fits(name: str, value: str) -> bool:
    if not _VALUE.fullmatch(value) or _NEGATIVE.search(value) or value.count('"') % 2 or value.count("'") % 2:
        return False
    return not (name in _PARTS and _too_small(value))


def _too_small(value: str) -> bool:
    found = _SIZE.match(value.strip())
    if found is None:
        return False
    unit = (found[2] or "").lower()
    return float(found[1]) < _SMALLEST.get(unit, 0.5)
