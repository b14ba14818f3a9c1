"""Whether the tables that are there and the code that wants to work on them go together (docs/upgrade.md)."""

from collections.abc import Mapping
from typing import Any

import orjson

from shared.core.errors import Misconfigured
from shared.core.releases import parts, this_release

_READ = "SELECT version, serves, heads::text FROM suite.release"
_WRITE = """
INSERT INTO suite.release AS now (version, serves, heads) VALUES ($1, $2, $3::text::jsonb)
ON CONFLICT (one) DO UPDATE SET heads = now.heads || excluded.heads, version = excluded.version,
    serves = excluded.serves, migrated_at = clock_timestamp()
"""
_MIGRATE = "run `mcp-suite db migrate` of this release first"


async def record(connection: Any, heads: Mapping[str, str]) -> None:
    """Say that the schemas are at these revisions, unless a newer release has said so already.

    Args:
        connection: Of the owner, at the suite's newest revision.
        heads: Revision by schema.
    """
    release = this_release()
    row = await connection.fetchrow(_READ)
    if row is not None:
        there: dict[str, str] = orjson.loads(row["heads"])
        if parts(row["version"]) > parts(release.version):
            return
        if row["version"] == release.version and heads.items() <= there.items():
            return
    await connection.execute(_WRITE, release.version, release.serves, orjson.dumps(dict(heads)).decode())


async def require_fitting(connection: Any, needed: Mapping[str, str]) -> None:
    """Refuse to start on tables older than the code needs, and on tables that no longer serve this release.

    Args:
        connection: Of any role that serves.
        needed: The revision that each schema must have reached.

    Raises:
        Misconfigured: It says which command to run.
    """
    release = this_release()
    if not await connection.fetchval("SELECT to_regclass('suite.release') IS NOT NULL"):
        raise Misconfigured(f"the database lacks tables of the suite that {release.version} needs; {_MIGRATE}")
    row = await connection.fetchrow(_READ)
    there: dict[str, str] = orjson.loads(row["heads"]) if row else {}
    for schema, revision in needed.items():
        if (found := there.get(schema, "")) < revision:
            at = f"are at revision {found}" if found else "are not there"
            raise Misconfigured(f"the tables of {schema} {at}, {release.version} needs {revision}; {_MIGRATE}")
    if row and parts(row["serves"]) > parts(release.version):
        raise Misconfigured(
            f"the database was upgraded to {row['version']}, whose tables serve releases from {row['serves']} on; this "
            f"is {release.version}: start one of those, or restore the backup from before the upgrade"
        )
