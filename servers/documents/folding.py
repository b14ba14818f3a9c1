"""Letters as the search compares them: one character becomes one, so that places in both texts are the same."""

from unicodedata import combining, normalize

_PUNCTUATION = {chr(code): " " for code in range(0x21, 0x7F) if not chr(code).isalnum()}


def _base(char: str) -> str:
    bare = "".join(part for part in normalize("NFKD", char) if not combining(part))
    return bare if len(bare) == 1 and bare.isalpha() else char


_ACCENTED = {char: _base(char) for char in map(chr, range(0xC0, 0x250)) if _base(char) != char}
_TABLE = str.maketrans(_PUNCTUATION | _ACCENTED)


def fold(text: str) -> str:
    """Without accents of Latin letters, with blanks for punctuation (`tools/list` is two words), as long as before."""
    return text.translate(_TABLE)
