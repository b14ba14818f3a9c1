"""File locks (flock(2)): the kernel frees them when their holder ends, however it ends."""

import fcntl
import os
from pathlib import Path


def try_lock(descriptor: int, kind: int) -> bool:
    """Take `fcntl.LOCK_SH` or `fcntl.LOCK_EX` at once, or not at all."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_lock(path: Path) -> int:
    """The descriptor of a lock file of mode 0600; its lock lasts until it is closed or the process ends."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def is_held(path: Path) -> bool:
    """Whether some process holds the file's exclusive lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
