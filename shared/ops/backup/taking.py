"""Takes a backup, while everything goes on: one snapshot of all schemas."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio

from shared.core.errors import Misconfigured, Unavailable
from shared.core.releases import this_release
from shared.core.settings import Settings
from shared.ops.backup.facts import look
from shared.ops.backup.file import Digesting, Manifest, now, sign, writing
from shared.ops.backup.opening import open_as_administrator
from shared.ops.backup.programs import addressed, find_programs
from shared.state.keys import load_keys

_LAST_WORDS = 500


async def back_up(settings: Settings, path: Path) -> Manifest:
    """Write the file; what it says of itself.

    Raises:
        Misconfigured: The file is there already, or something that is needed is not; says what.
        Unavailable: PostgreSQL did not give all of it.
    """
    _require_new(path)
    ring = load_keys(settings).audit
    async with open_as_administrator(settings) as opened:
        programs = find_programs(opened.major)
        connection = opened.connection
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            facts = await look(connection)
            bare, environment = addressed(opened.url)
            which = [f"--schema={schema}" for schema in sorted(facts.heads)]
            command = [str(programs / "pg_dump"), "--format=custom", f"--snapshot={snapshot}", *which, bare]
            with writing(path) as (packed, dump):
                digest = await anyio.to_thread.run_sync(_dump, command, environment, Digesting(dump))
                dump.close()
                manifest = Manifest(
                    release=this_release().version,
                    made_at=now(),
                    postgres=opened.major,
                    signed_by=ring.mac_id,
                    digest=digest,
                    facts=facts,
                )
                sign(packed, manifest, ring)
    return manifest


def _require_new(path: Path) -> None:
    if path.exists():
        raise Misconfigured(f"{path} is there already: name a new file")


def _dump(command: Sequence[str], environment: dict[str, str], into: Digesting) -> str:
    with tempfile.TemporaryFile() as told:
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=told) as running:  # noqa: S603 - PostgreSQL's
            assert running.stdout is not None  # noqa: S101 - it was asked for
            digest = into.take(running.stdout)
        if running.returncode:
            told.seek(0)
            words = told.read()[-_LAST_WORDS:].decode(errors="replace").strip()
            raise Unavailable(f"pg_dump gave up, and there is no backup: {words}")
    return digest
