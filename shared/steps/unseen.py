"""Characters that are there for a program and not for an eye: controls, directions, tags, fillers, endless blanks."""

import re
from unicodedata import category

_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
_JOINERS = {0x200C, 0x200D}  # scripts and emoji need one between letters; a run of them is a hidden message
_FILLERS = {*range(0xFFF9, 0xFFFC), 0x115F, 0x1160, 0x3164, 0xFFA0, 0x034F}
_SELECTORS = {*range(0xE0100, 0xE01F0)}
_KEPT = {0x09, 0x0A}
_NO_GLYPH = {"Cc", "Cf", "Cs", "Co", "Cn"}
_JOINER_RUN = re.compile("([\u200c\u200d])[\u200c\u200d]+")
_BREAKS = re.compile("\r\n?|[\u2028\u2029]")
_ASCII_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_BLANK = "[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u2800]"
_WIDE_STEP, _TALL_STEP = 40, 10
_WIDE_SAMPLED = re.compile(f"{_BLANK}{{4}}")
_TALL_SAMPLED = re.compile(r"[\s\u2800]{5}")
"""What a gap looks like to whoever reads every 40th or every 10th character: most texts have none."""
_WIDE = re.compile(rf"{_BLANK}{{200,}}+")
_TALL = re.compile(rf"\n(?:{_BLANK}*+\n){{50,}}+")


def without_unseen(text: str, found: dict[str, None]) -> str:
    """The text without characters that are not seen; `found` gets `control` and `bidi`. Line ends become line feeds."""
    if text.isascii() and _ASCII_CONTROL.search(text) is None:
        return text
    chars = set(text)
    if not chars.isdisjoint("\r\u2028\u2029"):
        text = _BREAKS.sub("\n", text)
        chars -= set("\r\u2028\u2029")
    names = {char: name for char in chars if (name := _unseen(ord(char), char))}
    if names:
        found.update(dict.fromkeys(sorted(names.values(), reverse=True)))
        text = text.translate({ord(char): None for char in names})
    if not chars.isdisjoint("\u200c\u200d"):
        joined = _JOINER_RUN.sub(r"\1", text)
        if joined != text:
            found["control"] = None
        return joined
    return text


def _unseen(code: int, char: str) -> str | None:
    """`bidi` or `control` for a character that is not seen, else None."""
    if code in _BIDI:
        return "bidi"
    if code in _KEPT or code in _JOINERS:
        return None
    unseen = category(char) in _NO_GLYPH or code in _FILLERS or code in _SELECTORS
    return "control" if unseen else None


def without_gaps(text: str, found: dict[str, None]) -> str:
    """The text without gaps that push what follows out of sight: 200 blanks become one, 50 empty lines two."""
    closer = _WIDE.sub(_narrow, text) if _WIDE_SAMPLED.search(text[::_WIDE_STEP]) else text
    closer = _TALL.sub("\n\n\n", closer) if _TALL_SAMPLED.search(closer[::_TALL_STEP]) else closer
    if closer != text:
        found["hidden"] = None
    return closer


def _narrow(gap: re.Match[str]) -> str:
    """One blank, unless nothing but a line's end or a table's next cell follows."""
    following = gap.string[gap.end() : gap.end() + 1]
    return gap[0] if following in {"", "\n", "|"} else " "
