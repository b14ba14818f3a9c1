"""Files of secrets: mode 0600, complete or absent, and two processes that make one agree on it."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shared.core.errors import Misconfigured


def read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """The file's content; the file is made first if it is not there.

    Raises:
        Misconfigured: Others can read it.
    """
    if not path.exists():
        draft = _draft(path, make())
        try:
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    if path.stat().st_mode & 0o077:
        raise Misconfigured(f"{path} is readable by others; chmod 600 it")
    return path.read_bytes()


def replace(path: Path, content: bytes) -> None:
    """Replace the file in one step."""
    _draft(path, content).replace(path)


def _draft(path: Path, content: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft
