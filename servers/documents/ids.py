from secrets import choice

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: none is taken for another


def new_id() -> str:
    """The id of a new document, like `D-7Q3K0ZB9TR`; it says nothing of how many there are."""
    return "D-" + "".join(choice(_LETTERS) for _ in range(10))
