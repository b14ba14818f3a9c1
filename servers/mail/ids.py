from shared.core import ids


def new_id(kind: str) -> str:
    """A random id, `M-…` or `D-…`: a mail's is also its Message-ID, which nobody may guess."""
    return ids.new_id(kind, ids.UNGUESSABLE)
