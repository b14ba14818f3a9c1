"""Open what is in a folder without ever leaving it.

Every step of a path is opened by itself, relative to the one before, and none may be a symbolic link: whoever swaps a
folder for a link while we look at it gains nothing.
"""

import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from errno import ELOOP, ENOENT, ENOTDIR
from pathlib import Path

from servers.documents.formats.kinds import LIMIT_BYTES
from servers.documents.ingesting.skipping import Skip
from shared.core.errors import Invalid

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would keep us waiting for its writer


@contextmanager
def opened_root(root: Path) -> Generator[int]:
    """The folder itself, which may be named by a link: whoever runs the command named it.

    Raises:
        Invalid: There is no such folder, or it cannot be read.
    """
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise Invalid(f"The folder {str(root)!r} cannot be read: {reason}. Name another.") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_folder(parent: int, name: str) -> Generator[int]:
    """A folder in an opened one.

    Raises:
        Skip: It is a link, is gone, or cannot be read.
    """
    descriptor = _open(name, _FOLDER, parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read(root: int, parts: Sequence[str]) -> bytes:
    """All bytes of a file below an opened folder.

    Raises:
        Skip: It is no file (any more), too large, cannot be read, or changes while it is read.
    """
    *folders, name = parts
    if folders:
        with opened_folder(root, folders[0]) as descriptor:
            return read(descriptor, parts[1:])
    descriptor = _open(name, _FILE, root)
    try:
        return _read(descriptor)
    except OSError as error:
        raise unreadable(error) from None
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise special()
    refuse_large(before.st_size)
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        pieces: list[bytes] = []
        left = LIMIT_BYTES + 1
        while left and (piece := file.read(left)):
            pieces.append(piece)
            left -= len(piece)
    after = os.fstat(descriptor)
    content = b"".join(pieces)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(content) != after.st_size:
        raise Skip("moving", "The file changed while it was read. Run the command again when it is finished.")
    return content


def refuse_large(size: int) -> None:
    """Raises:
    Skip: More bytes than we keep of one document.
    """
    if size > LIMIT_BYTES:
        raise Skip("too_large", f"{size:,} bytes; at most {LIMIT_BYTES:,} are taken. Split the document into parts.")


def special() -> Skip:
    return Skip("special", "A device, pipe or socket; only files are taken.")


def link() -> Skip:
    return Skip("link", "A symbolic link; none is followed. Put the file itself here.")


def unreadable(error: OSError) -> Skip:
    """What the operating system says."""
    if error.errno == ENOENT:
        return Skip("gone", "It was removed while the folder was read.")
    return Skip("unreadable", f"It cannot be read: {error.strerror}.")


def _open(name: str, flags: int, parent: int) -> int:
    if name in {"", ".", ".."} or "/" in name:
        raise Skip("name", "This is no name of a file.")
    try:
        return os.open(name, flags, dir_fd=parent)
    except OSError as error:
        if error.errno in {ELOOP, ENOTDIR}:
            raise link() from None
        raise unreadable(error) from None
