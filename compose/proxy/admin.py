"""HAProxy's runtime API: who is up, and who shall be sent nothing new."""

import csv
import os
import socket
from pathlib import Path

from shared.core.errors import SuiteError

_ANSWER_S = 5.0
_PATH_MAX = 100
"""Of the 104 to 108 bytes that a socket's address has room for."""


class Refused(SuiteError):
    """HAProxy did not do it; the message is its own."""


def ask(path: Path, command: str) -> str:
    """One command over the admin socket, and the answer.

    Raises:
        OSError: Nobody listens there.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{folder}/{path.name}" if len(os.fsencode(path)) > _PATH_MAX else str(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_S)
            connection.connect(short)
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    finally:
        os.close(folder)


def set_state(path: Path, backend: str, replica: str, state: str) -> None:
    """`ready` or `drain`.

    Raises:
        Refused: There is no such backend or replica.
    """
    if said := ask(path, f"set server {backend}/{replica} state {state}").strip():
        raise Refused(said)


def states(path: Path, backend: str) -> dict[str, str]:
    """Replica → `up` or `down`, as checks agree; `drain`, if it was told to; `unsure`, before that or in between."""
    lines = ask(path, f"show stat {backend} 4 -1").removeprefix("# ").splitlines()
    return {row["svname"]: _state(row["status"], row["check_status"]) for row in csv.DictReader(lines)}


def _state(status: str, check: str) -> str:
    if status.startswith("DRAIN"):
        return "drain"
    if status.startswith("DOWN"):
        return "down"
    return "up" if status == "UP" and check.removeprefix("* ").startswith("L7OK") else "unsure"
