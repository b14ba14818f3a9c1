"""Files that only their owner may read."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shared.core.errors import Misconfigured


def draft_private(path: Path, text: str) -> int:
    """Write a new file of mode 0600 durably; returns its descriptor, still open.

    Raises:
        FileExistsError: It is there already.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.write(descriptor, text.encode())
    os.fsync(descriptor)
    return descriptor


def keep_private(path: Path, make: Callable[[], str]) -> str:
    """What the file says; it is made on first use. Two processes that make it at once agree on one text.

    Raises:
        Misconfigured: Others may read the file.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        os.close(draft_private(draft, make()))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    if path.stat().st_mode & 0o077:
        raise Misconfigured(f"{path} is readable by others; chmod 600 it")
    return path.read_text()
