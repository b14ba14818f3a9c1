"""Characters that are there for a program and not for an eye: controls, directions, tags, fillers, joiners in runs."""

import re
from unicodedata import category, normalize

from servers.mail.safety.findings import Finding, excerpt

BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""Whatever any program takes for the end of a line (Unicode §5.8, and `str.splitlines`)."""

_BIDI = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)))
_JOINERS = frozenset("\u200c\u200d")  # scripts and emoji need one between letters; a run of them is a hidden message
_FILLERS = frozenset(map(chr, (*range(0xFFF9, 0xFFFC), 0x115F, 0x1160, 0x3164, 0xFFA0, 0x034F)))
_SELECTORS = frozenset(map(chr, range(0xE0100, 0xE01F0)))  # no font answers to them, so they can hide bytes
_NO_GLYPH = {"Cc", "Cf", "Cs", "Co", "Cn"}
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_JOINER_RUN = re.compile("([\u200c\u200d])[\u200c\u200d]+")
_BETWEEN = re.compile("[\u00ad\u034f\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]")
_BROKEN = re.compile(f"[{BREAKS}\x00]+")


def unseen(char: str) -> str | None:
    """`bidi` or `control` for a character that is not seen, else None. A single joiner is part of a word."""
    if char in _BIDI:
        return "bidi"
    if char in "\t\n" or char in _JOINERS:
        return None
    return "control" if category(char) in _NO_GLYPH or char in _FILLERS or char in _SELECTORS else None


def has_break(text: str) -> bool:
    """Whether the text holds a line break in any spelling, or the null character that ends it for some programs."""
    return _BROKEN.search(text) is not None


def searchable(text: str) -> str:
    """The text for whoever looks for numbers and keys in it: plain letters and digits (NFKC), nothing between them."""
    if text.isascii():
        return text
    return _BETWEEN.sub("", normalize("NFKC", text))


def legible(text: str, where: str) -> tuple[str, list[Finding]]:
    """A text of many lines as a person sees it, with line feeds; and what was taken out of it."""
    text = _LINE_ENDS.sub("\n", text)
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text, []
    gone = {char: kind for char in set(text) if (kind := unseen(char))}
    findings = [_found(text, where, kind, gone) for kind in sorted(set(gone.values()))]
    text = text.translate({ord(char): None for char in gone})
    joined = _JOINER_RUN.sub(r"\1", text)
    if joined != text:
        what = "Runs of invisible joiners were shortened: they can carry a hidden message."
        findings.append(Finding("control", "warning", where, what, count=len(_JOINER_RUN.findall(text))))
    return joined, findings


def one_line(text: str, where: str) -> tuple[str, list[Finding]]:
    """A text of one line as a person sees it, and what was found: a line break in any spelling blocks the mail."""
    findings: list[Finding] = []
    if has_break(text):
        what = "It holds a line break, which would begin another header. Send it as one line."
        plain = " ".join(_BROKEN.sub(" ", text).split(" "))
        findings.append(Finding("header_injection", "block", where, what, excerpt(text), excerpt(plain)))
        text = plain
    text, more = legible(text, where)
    return " ".join(text.split()), [*findings, *more]


def _found(text: str, where: str, kind: str, gone: dict[str, str]) -> Finding:
    chars = {char for char, of in gone.items() if of == kind}
    first = min(text.index(char) for char in chars)
    around = text[max(0, first - 20) : first + 40]
    after = "".join(char for char in around if char not in gone)
    words = "change the direction of writing" if kind == "bidi" else "are not seen"
    what = f"Characters that {words} were taken out."
    return Finding(kind, "warning", where, what, excerpt(around), excerpt(after), sum(map(text.count, chars)))
