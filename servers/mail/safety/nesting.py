"""How deep and how large HTML is, found without parsing it: parsers take quadratic time in depth and attributes."""

import re
from collections import Counter

from servers.mail.safety import limits

_PIECE = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?P<end>/?)(?P<name>[A-Za-z][^\s/>]{0,40})(?P<rest>(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"[\s/\"'][^\s/>=\"']")
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr p li td th tr".split())  # noqa: SIM905 - bare words
"""Elements without content, and those that a next one of their kind closes."""


def too_much(html: str) -> str | None:
    """Why the HTML is not parsed, as a sentence; None if it may be.

    An estimate: it can be led astray by tags that a parser would not see, in which case parsing takes longer, by no
    more than the bound on the size allows.
    """
    opened: Counter[str] = Counter()
    deep = tags = 0
    for found in _PIECE.finditer(html):
        if not found["name"]:
            continue
        tags += 1
        name = found["name"].lower()
        if tags > limits.TAGS:
            return f"It has more than {limits.TAGS} tags. Simplify it."
        if len(_ATTRIBUTE.findall(found["rest"])) > 10 * limits.ATTRIBUTES:
            return f"A tag has more than {limits.ATTRIBUTES} attributes. Simplify it."
        if name in _VOID:
            continue
        if found["end"]:
            deep -= opened[name] > 0
            opened[name] -= opened[name] > 0
        else:
            opened[name] += 1
            deep += 1
        if deep > limits.DEPTH:
            return f"Its elements are nested more than {limits.DEPTH} deep. Simplify it."
    return None
