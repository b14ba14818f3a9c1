"""Random ids that people can read out."""

from secrets import choice

UNGUESSABLE = 26
"""Letters of an id that nobody may guess: 130 bits."""

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: none is taken for another


def new_id(kind: str, letters: int = 10) -> str:
    """A random id like `C-7Q3K0ZB9TR`: a number would count what everybody has.

    Args:
        kind: What it begins with.
        letters: So many, 5 bits each. Ten will do where a clash fails on the primary key.
    """
    return f"{kind}-" + "".join(choice(_LETTERS) for _ in range(letters))
