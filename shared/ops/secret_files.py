"""Settings that come as files: one file a variable, named like it in lower case (docs/secrets.md)."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from shared.core.errors import Misconfigured

_NAME = re.compile(r"suite_[a-z0-9_.-]+")
_OURS = re.compile(r"suite_.*", re.IGNORECASE)
_LARGEST = 2**20


@dataclass(frozen=True)
class SecretFile:
    """One of them.

    Attributes:
        path: Where it is.
        variable: The variable it stands for, like `SUITE_REDIS_URL`.
        value: What it holds, without one newline at its end.
        shown_to: Who else on this machine can read it, if anybody.
    """

    path: Path
    variable: str
    value: str
    shown_to: str | None


def read(folder: Path, *, wanted: bool) -> list[SecretFile]:
    """What the folder holds of ours; files of other names are somebody else's.

    Args:
        folder: Where they are.
        wanted: Somebody named the folder, so it has to be there.

    Raises:
        Misconfigured: One cannot be read, is empty or no text, could be changed by others, or has a name in capitals;
            names its path.
    """
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        if wanted:
            raise Misconfigured(f"SUITE_SECRETS_DIR is {folder}: there is no such folder") from None
        return []
    except OSError as error:
        raise Misconfigured(f"cannot read {folder} ({error.strerror}): let us, or set SUITE_SECRETS_DIR") from None
    files: list[SecretFile] = []
    problems: list[str] = []
    for path in found:
        try:
            files += [_of(path)] if _OURS.fullmatch(path.name) else []
        except Misconfigured as error:
            problems.append(str(error))
    if problems:
        raise Misconfigured("; ".join(problems))
    return files


def _of(path: Path) -> SecretFile:
    if not _NAME.fullmatch(path.name):
        raise Misconfigured(f"{path} has capitals or signs in its name: write it in lower case, like suite_port")
    value, mode = _opened(path)
    if mode is not None and mode & stat.S_IWOTH:
        raise Misconfigured(f"anybody on this machine can write {path}: chmod 0400 it")
    others = "anybody on this machine" if mode is not None and mode & stat.S_IROTH else None
    return SecretFile(path, path.name.upper(), value, others)


def _opened(path: Path) -> tuple[str, int | None]:
    """What a file holds, and its mode; None where it is mounted read-only, as containers are given secrets."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            mounted = os.name == "nt" or os.fstatvfs(file.fileno()).f_flag & os.ST_RDONLY
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise Misconfigured(f"cannot read {path} ({error.strerror}): let us, or take it away") from None
    return _text(path, content), None if mounted else status.st_mode


def _text(path: Path, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is no UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or "\0" in text or len(content) > _LARGEST:
        raise Misconfigured(f"{path} is empty, over a megabyte, or no text: write the setting's value there")
    return text
