"""`mcp-suite db backup` and `mcp-suite db restore` (docs/back-up-and-restore.md)."""

from pathlib import Path
from typing import Annotated

import typer

from shared.core.errors import Misconfigured
from shared.ops.backup.file import Manifest
from shared.ops.backup.restoring import Restored
from shared.ops.backup.restoring import restore as restore_from
from shared.ops.backup.taking import back_up
from shared.ops.running import complete, read_settings


def backup(file: Annotated[Path, typer.Argument(help="Where to; it must not be there yet.")]) -> None:
    """Write everything the suite keeps in PostgreSQL to a file, while it goes on; keys are not in it."""
    settings = read_settings()
    made: list[Manifest] = []

    async def run() -> None:
        made.append(await back_up(settings, file))

    complete(run)
    for manifest in made:
        typer.echo(f"{file}: {sum(manifest.facts.rows.values())} rows of {len(manifest.facts.rows)} tables")
        typer.echo(_keys(manifest))


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `mcp-suite db backup` wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Drop what is there already.")] = False,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Without the keys: nobody can say whether the file is as it was.")
    ] = False,
) -> None:
    """Put a backup into an empty database, and check that it is what it was; exit code 1 if anything differs."""
    settings = read_settings()
    done: list[Restored] = []

    async def run() -> None:
        done.append(await restore_from(settings, file, force=force, unverified=unverified))

    complete(run)
    for restored in done:
        if restored.problems:
            raise Misconfigured(
                "the database is not what it was; do not serve from it: " + "; ".join(restored.problems)
            )
        manifest = restored.manifest
        state = "not verified" if unverified else "intact"
        typer.echo(f"Restored what release {manifest.release} kept at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC.")
        typer.echo(f"Rows, revisions, owners, grants and row-level security are as they were; the audit is {state}.")
        typer.echo("Next: mcp-suite db migrate, then start the replicas.")


def _keys(manifest: Manifest) -> str:
    audit = " ".join(sorted({manifest.signed_by, *manifest.facts.audit_keys}))
    ledger = " ".join(manifest.facts.ledger_keys) or "none yet"
    return (
        f"Keep these keys elsewhere; they are not in the file. To restore it and verify the audit: {audit} "
        f"(SUITE_AUDIT_KEYS). To replay stored answers: {ledger} (SUITE_LEDGER_KEYS)."
    )
