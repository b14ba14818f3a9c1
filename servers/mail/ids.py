from secrets import choice

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: none is taken for another
_LENGTH = 26


def new_id(kind: str) -> str:
    """A random id, `M-…` or `D-…`: 130 bits, since a mail's is also its Message-ID, which nobody may guess."""
    return f"{kind}-" + "".join(choice(_LETTERS) for _ in range(_LENGTH))
