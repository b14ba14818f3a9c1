from shared.core import ids


def new_id() -> str:
    """The id of a new document, like `D-7Q3K0ZB9TR`; it says nothing of how many there are."""
    return ids.new_id("D")
