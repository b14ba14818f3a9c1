"""The file of a backup: a ZIP of PostgreSQL's dump, of what it was made of, and of a MAC over both."""

import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ValidationError

from shared.core.errors import Misconfigured
from shared.ops.backup.facts import Facts
from shared.state.keys import CannotOpen, KeyRing

_DUMP, _MANIFEST, _MAC = "database.dump", "manifest.json", "manifest.mac"
_BOUND = b"backup "
_CHUNK = 2**20


class Manifest(BaseModel, frozen=True):
    """What a backup says of itself.

    Attributes:
        release: Of the suite that made it.
        made_at: UTC.
        postgres: The server's major version.
        signed_by: Id of the audit key that the file is signed with.
        digest: SHA-256 of the dump, in hexadecimal.
        facts: What was in the database.
    """

    release: str
    made_at: datetime
    postgres: int
    signed_by: str
    digest: str
    facts: Facts


class Damaged(Misconfigured):
    """The file is not, or not any more, what was written."""


class Digesting:
    """Takes what it is given on, and counts it into a digest."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner = inner
        self._sum = sha256()

    def take(self, source: IO[bytes]) -> str:
        """All of it; its SHA-256 in hexadecimal."""
        while chunk := source.read(_CHUNK):
            self._sum.update(chunk)
            self._inner.write(chunk)
        return self._sum.hexdigest()


@contextmanager
def writing(path: Path) -> Generator[tuple[zipfile.ZipFile, IO[bytes]]]:
    """A file that only its owner may read, and where the dump goes; it is there under its name once it is whole."""
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    try:
        with zipfile.ZipFile(draft, "w") as packed, packed.open(_DUMP, "w", force_zip64=True) as dump:
            yield packed, dump
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


def sign(packed: zipfile.ZipFile, manifest: Manifest, ring: KeyRing) -> None:
    """Put the manifest beside the dump, and the MAC over it, under the first key of the audit."""
    body = manifest.model_dump_json(indent=1).encode()
    packed.writestr(_MANIFEST, body)
    packed.writestr(_MAC, f"{ring.mac_id} {ring.mac(_BOUND + body).hex()}")


@contextmanager
def reading(path: Path, ring: KeyRing | None) -> Generator[tuple[Manifest, IO[bytes]]]:
    """The manifest, and the dump from its beginning; both were looked at from end to end.

    Args:
        path: Of the file.
        ring: The keys of the audit; None believes whatever made the file.

    Raises:
        Damaged: It is cut off, or was changed.
        Misconfigured: It was made with a key that is not in the ring, or by something else.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            manifest = _manifest(packed, ring)
            if _digest(packed) != manifest.digest:
                raise Damaged(f"{path} was changed: the dump in it is not the one it was made with; take another one")
            with packed.open(_DUMP) as dump:
                yield manifest, dump
    except FileNotFoundError:
        raise Misconfigured(f"there is no file {path}") from None
    except (zipfile.BadZipFile, EOFError, KeyError, ValidationError):
        raise Damaged(f"{path} is no backup of ours, or only a part of one; take another one") from None


def _manifest(packed: zipfile.ZipFile, ring: KeyRing | None) -> Manifest:
    body = packed.read(_MANIFEST)
    if ring is not None:
        key_id, _, mac = packed.read(_MAC).decode("ascii", "replace").partition(" ")
        try:
            fits = compare_digest(ring.mac(_BOUND + body, key_id).hex(), mac)
        except CannotOpen:
            raise Misconfigured(
                f"the backup was made with the audit key {key_id}, which is not in SUITE_AUDIT_KEYS: add it, or say "
                "--unverified to restore what nobody can vouch for"
            ) from None
        if not fits:
            raise Damaged("the backup was changed: what it says of itself was not written with our key")
    return Manifest.model_validate_json(body)


def _digest(packed: zipfile.ZipFile) -> str:
    counted = sha256()
    with packed.open(_DUMP) as dump:
        while chunk := dump.read(_CHUNK):
            counted.update(chunk)
    return counted.hexdigest()


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
