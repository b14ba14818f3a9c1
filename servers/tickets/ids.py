from secrets import choice

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: none is taken for another


def new_id(kind: str) -> str:
    """A random id: a number would count what everybody has. 50 bits; a clash would fail on the primary key."""
    return f"{kind}-" + "".join(choice(_LETTERS) for _ in range(10))
