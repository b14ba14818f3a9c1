"""Signed statements of how far a chain goes, kept outside the database: whoever cuts its end off there is found out.

A chain by itself proves its middle; nothing in the database says where its end was. So each process states the end of
its own chain at intervals, in a file of the data directory and, in a fleet, in its log, from where a collector takes it
to where database administrators cannot write. Only the newest statement on a chain matters: hashes vouch for the rest.

A checkpoint is one JSON object: `at`, `chain`, `seq`, `hash` (hex) of the chain's last record, `key_id`, and
`signature`: base64 of Ed25519 (RFC 8032) over the canonical JSON (`chain.py`) of the others.
"""

import base64
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import anyio
import orjson
import structlog

from shared.core import metrics
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.keys import CannotOpen, KeyRing
from shared.steps.audit.chain import Head, canonical
from shared.steps.audit.entry import now

log = structlog.get_logger("audit")

_SIGNED = ("at", "chain", "seq", "hash", "key_id")

Checkpoint = dict[str, Any]


class NotOurs(Exception):
    """A checkpoint that no key of the ring signed, or that was changed; says which."""


class Anchor:
    """Where one process states the end of its chain."""

    def __init__(self, folder: Path, ring: KeyRing, *, logged: bool) -> None:
        """Args:
        folder: One file a chain, replaced by each newer statement.
        ring: The audit's.
        logged: Whether the log says it too.
        """
        self._folder = folder
        self._ring = ring
        self._logged = logged
        self._stated: Head | None = None
        self._stating = anyio.Lock()  # a process that closes amid a statement: both write the same draft

    async def state(self, head: Head | None) -> None:
        """Sign and keep where a chain ends, unless that was said before. What goes wrong is logged and counted: records
        are durable without it, and calls go on.
        """
        async with self._stating:
            if head is None or head.seq < 0 or head == self._stated:
                return
            checkpoint = signed(head, self._ring)
            await self._kept(checkpoint)
            if self._logged:
                log.info("checkpoint", checkpoint=checkpoint)
            self._stated = head

    async def _kept(self, checkpoint: Checkpoint) -> None:
        try:
            await anyio.to_thread.run_sync(self._keep, checkpoint)
        except OSError as error:
            metrics.AUDIT_CHECKPOINTS.add("failed")
            log.error("a checkpoint of the audit could not be kept", folder=str(self._folder), problem=error.strerror)
        else:
            metrics.AUDIT_CHECKPOINTS.add("kept")

    def _keep(self, checkpoint: Checkpoint) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{checkpoint['chain']}.json"
        draft = path.with_suffix(f".{os.getpid()}")
        with draft.open("wb") as file:
            file.write(orjson.dumps(checkpoint) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def folder_of(settings: Settings) -> Path:
    """Where this machine's checkpoints are kept."""
    return settings.audit_checkpoints or settings.data_dir / "checkpoints"


def anchored(settings: Settings, named: Iterable[Path]) -> list[tuple[str, Checkpoint | None]]:
    """Checkpoints of the folders and logs that are named; of this machine's own folder if none is.

    Raises:
        Misconfigured: There is nothing of a name, or no checkpoint in all that is named: nothing would be held to any.
    """
    paths = list(named)
    if missing := [str(path) for path in paths if not path.exists()]:
        raise Misconfigured(f"{', '.join(missing)}: there is nothing of that name")
    all_found = [found for path in paths or [folder_of(settings)] if path.exists() for found in read(path)]
    if paths and not all_found:
        raise Misconfigured(f"{', '.join(map(str, paths))}: no checkpoint is there, as *.json or in lines of a log")
    return all_found


def signed(head: Head, ring: KeyRing) -> Checkpoint:
    """The statement that a chain goes as far as this."""
    said = {"at": now(), "chain": str(head.chain), "seq": head.seq, "hash": head.hash.hex(), "key_id": ring.mac_id}
    return {**said, "signature": base64.b64encode(ring.sign(canonical(said))).decode()}


def opened(checkpoint: Checkpoint, ring: KeyRing) -> tuple[str, int, str]:
    """Chain, sequence number and hash of what a checkpoint states.

    Raises:
        NotOurs: No key of the ring signed it.
    """
    try:
        said = {name: checkpoint[name] for name in _SIGNED}
        signature = base64.b64decode(checkpoint["signature"], validate=True)
        genuine = ring.signed(canonical(said), signature, str(said["key_id"]))
        place = str(said["chain"]), int(said["seq"]), str(said["hash"])
    except CannotOpen:
        raise NotOurs("key_id: not a key of the ring") from None
    except (KeyError, TypeError, ValueError):
        raise NotOurs("it is not a checkpoint") from None
    if not genuine:
        raise NotOurs("signature: it was changed, or made by somebody else")
    return place


def read(path: Path) -> Iterator[tuple[str, Checkpoint | None]]:
    """Checkpoints of a file of lines, bare ones, or lines of our log, among others; of a folder those of its `*.json`,
    which have nothing else in them, and its `*.log`.

    Yields:
        Where it is, and the checkpoint; None for what should be one and is none.
    """
    inside = sorted((*path.glob("*.json"), *path.glob("*.log"))) if path.is_dir() else [path]
    for file in inside:
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            found = _in(line)
            if found is not None or (path.is_dir() and file.suffix == ".json"):
                yield f"{file.name}:{number}", found


def _in(line: bytes) -> Checkpoint | None:
    with suppress(ValueError):
        said: Any = orjson.loads(line)
        if isinstance(said, dict):
            said = cast("dict[str, Any]", said)
            inner: Any = said.get("checkpoint", said)
            if isinstance(inner, dict) and "signature" in inner:
                return cast("Checkpoint", inner)
    return None
