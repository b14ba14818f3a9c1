"""The local file that keeps refusals while the audit store is away; ingested into the chain when it is back."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import orjson

from shared.core.errors import SuiteError
from shared.state.keys import CannotOpen, KeyRing


class SpoolFull(SuiteError):
    """The file reached its size limit; what could not be kept is counted in the log."""


class Spool:
    """One fsynced file per process, of mode 0600. Every line carries its own HMAC, checked when it is ingested.

    The process holds a lock on its file, so that a later process can tell a dead one's file from a live one's.
    """

    def __init__(self, folder: Path, ring: KeyRing, limit_bytes: int) -> None:
        self._folder = folder
        self._ring = ring
        self._limit = limit_bytes
        self._file: IO[bytes] | None = None

    def append(self, records: Iterable[dict[str, Any]]) -> None:
        """Keep records durably.

        Raises:
            SpoolFull: Nothing of this batch was kept.
            OSError: The disk refused.
        """
        lines = b"".join(self._seal(record) for record in records)
        file = self._file or self._open()
        if file.tell() + len(lines) > self._limit:
            raise SpoolFull
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())

    def take(self) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
        """Files nobody alive is writing, ours included, with their records; `drop` each once it is ingested."""
        self.close()
        for path in sorted(self._folder.glob("*.spool")):
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield path, [self._open_line(line) for line in file]

    def size(self) -> int:
        """Bytes of every file in the folder, those of other processes included; asked from any thread."""
        sizes = 0
        for path in self._folder.glob("*.spool"):
            with suppress(FileNotFoundError):  # it was ingested meanwhile
                sizes += path.stat().st_size
        return sizes

    @staticmethod
    def drop(path: Path) -> None:
        path.unlink()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> IO[bytes]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{os.getpid()}-{os.urandom(4).hex()}.spool"
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        fcntl.flock(file, fcntl.LOCK_EX)
        self._file = file
        return file

    def _seal(self, record: dict[str, Any]) -> bytes:
        body = orjson.dumps(record)
        return b" ".join((self._ring.mac_id.encode(), self._ring.mac(body).hex().encode(), body)) + b"\n"

    def _open_line(self, line: bytes) -> dict[str, Any]:
        key_id, _, rest = line.rstrip(b"\n").partition(b" ")
        mac, _, body = rest.partition(b" ")
        try:
            record: dict[str, Any] = orjson.loads(body)
            intact = self._ring.mac(body, key_id.decode()).hex() == mac.decode()
        except (ValueError, CannotOpen) as error:
            return {"kind": "spool", "outcome": "damaged", "problem": type(error).__name__}
        return record if intact else {"kind": "spool", "outcome": "damaged", "problem": "hash"}
