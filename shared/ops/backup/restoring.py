"""Restores a backup, all of it or nothing, and looks whether the database is then what it was."""

import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

import anyio

from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.ops.backup.facts import Facts, differences, look
from shared.ops.backup.file import Manifest, reading
from shared.ops.backup.opening import Opened, open_as_administrator
from shared.ops.backup.programs import addressed, find_programs
from shared.state.keys import KeyRing, load_keys
from shared.state.roles import APP, CONSOLE, OPERATOR, OWNER, READER, SEARCH
from shared.steps.audit.verify import verify

_ROLES = [OWNER, APP, READER, OPERATOR, CONSOLE, SEARCH]
_THERE = "SELECT nspname FROM pg_namespace WHERE nspname = ANY($1) ORDER BY 1"
_USING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usename = ANY($1) AND pid <> pg_backend_pid()
"""
_LAST_WORDS = 500


@dataclass(frozen=True)
class Restored:
    """What was restored, and what is not as it should be."""

    manifest: Manifest
    problems: Sequence[str]


async def restore(settings: Settings, path: Path, *, force: bool = False, unverified: bool = False) -> Restored:
    """Put the backup where the settings point, and check it.

    Args:
        settings: Whose database and whose keys.
        path: Of the backup.
        force: What is there already is dropped, in the same transaction.
        unverified: Neither the file nor the audit in it is held against the keys.

    Raises:
        Misconfigured: The file or the database is not fit for it; nothing was changed.
        Unavailable: PostgreSQL did not take all of it; nothing was changed.
    """
    ring = None if unverified else load_keys(settings).audit
    with reading(path, ring) as (manifest, dump):
        async with open_as_administrator(settings) as opened:
            schemas = sorted(manifest.facts.heads)
            dropped = await _prepared(opened.connection, schemas, force=force)
            _require_new_enough(opened, manifest)
            await anyio.to_thread.run_sync(_pour, opened.url, find_programs(opened.major), dump, dropped)
            return Restored(manifest, await _problems(opened.connection, manifest.facts, ring))


def _require_new_enough(opened: Opened, manifest: Manifest) -> None:
    if opened.major < manifest.postgres:
        raise Misconfigured(
            f"the backup is of PostgreSQL {manifest.postgres}, and this is {opened.major}: restore it to that or newer"
        )


async def _prepared(connection: Any, schemas: Sequence[str], *, force: bool) -> list[str]:
    """The schemas that have to go first."""
    lacking = [role for role in _ROLES if not await connection.fetchval("SELECT to_regrole($1) IS NOT NULL", role)]
    if lacking:
        raise Misconfigured(
            f"this server lacks the roles {', '.join(lacking)}: `python -m compose.database` makes them, or an "
            "administrator; then restore with --force"
        )
    there = [row[0] for row in await connection.fetch(_THERE, schemas)]
    if there and not force:
        raise Misconfigured(
            f"the database already has {', '.join(there)}: name an empty one, or say --force to drop what is there"
        )
    if using := await connection.fetchval(_USING, _ROLES):
        raise Misconfigured(f"{using} connections of the suite use the database: stop every replica first")
    return there


def _pour(url: str, programs: Path, dump: IO[bytes], dropped: Sequence[str]) -> None:
    """From the dump through `pg_restore`, which turns it into SQL, to `psql`, which runs it in one transaction.

    The end of its input has `psql` commit, so it gets there only once `pg_restore` has said that this was all.
    """
    bare, environment = addressed(url)
    command = [programs / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction"]
    command += [f"--command=DROP SCHEMA {schema} CASCADE" for schema in dropped]
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
        reader = _piped([programs / "pg_restore", "--exit-on-error", "--file=-"], environment, subprocess.PIPE, said)
        writer = _piped([*command, "--file=-", bare], environment, subprocess.DEVNULL, told)
        with reader, writer, ThreadPoolExecutor(1) as feeding:
            feeding.submit(_copy, dump, reader.stdin)
            _copy(reader.stdout, writer.stdin, close=False)
            if reader.wait():
                writer.kill()
            elif writer.stdin is not None:
                with suppress(BrokenPipeError):
                    writer.stdin.close()
        if reader.returncode or writer.returncode:
            words = b" ".join(_words(log) for log in (said, told)).decode(errors="replace").strip()
            raise Unavailable(f"PostgreSQL did not take the backup, and nothing was changed: {words}")


def _piped(
    command: Sequence[str | Path], environment: dict[str, str], out: int, told: IO[bytes]
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=told)  # noqa: S603 - PostgreSQL's


def _copy(source: IO[bytes] | None, target: IO[bytes] | None, *, close: bool = True) -> None:
    """All of it, or until whoever takes it gives up: its words say why."""
    assert source is not None  # noqa: S101 - it was asked for
    assert target is not None  # noqa: S101 - as said above
    with suppress(BrokenPipeError):
        copyfileobj(source, target)
        if close:
            target.close()
        else:
            target.flush()


def _words(log: IO[bytes]) -> bytes:
    log.seek(0)
    return log.read()[-_LAST_WORDS:]


async def _problems(connection: Any, kept: Facts, ring: KeyRing | None) -> list[str]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        problems = differences(kept, await look(connection))
    if ring is not None:
        problems += [f"{one.where}: {one.what}" for one in (await verify(connection, ring)).problems]
    return problems
