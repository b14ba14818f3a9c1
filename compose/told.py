"""What a program of `compose/` is told: by a variable, or in a file of /run/secrets named like it in lower case."""

import os
from pathlib import Path

from shared.core.errors import Misconfigured

_FOLDER = Path("/run/secrets")


def told(name: str, default: str | None = None) -> str:
    """The value; the environment wins, and one newline at the end of a file is dropped.

    Raises:
        Misconfigured: It is said nowhere, and there is no default.
    """
    if value := os.environ.get(name):
        return value
    path = Path(os.environ.get("SECRETS_DIR", _FOLDER)) / name.lower()
    if path.exists():
        return path.read_text().removesuffix("\n")
    if default is None:
        raise Misconfigured(f"set {name}, or write it to {path}")
    return default
