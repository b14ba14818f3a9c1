"""`doctor` for our own tables: whether they are there, up to date, guarded, and have room for every replica."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from shared.core.errors import Unavailable
from shared.core.server import Server
from shared.core.settings import Settings
from shared.ops.doctor_going import going
from shared.state.contract import Finding
from shared.state.database import connect
from shared.state.pooler import pooler
from shared.state.renewing import certificates
from shared.state.revisions import SUITE_REVISIONS, newest_revision
from shared.state.roles import Urls
from shared.state.room import BESIDE_OUR_POOL, room

_ROLE = """
    SELECT rolname AS name, rolsuper OR rolbypassrls AS unbound,
           (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = ANY($1) AND pg_has_role(c.relowner, 'MEMBER')) AS owned
    FROM pg_roles WHERE rolname = current_user
"""
_TABLES = """
    SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname <> 'revision'
    ORDER BY c.relname
"""


async def examine_own(settings: Settings, urls: Urls, server: Server) -> list[Finding]:
    """Everything there is to say about the database of `SUITE_DATABASE_URL` and one server's schema in it."""
    try:
        connection = await connect(urls.app, "doctor", lent=True)
    except (Unavailable, ValueError) as error:
        fix = "SUITE_DATABASE_URL is postgresql://USER:PASSWORD@HOST:PORT/DATABASE; try it with psql from this machine."
        return [Finding("problem", f"cannot connect: {error.__cause__ or error}", fix)]
    try:
        return [
            Finding("ok", "connected"),
            *await pooler(urls.app, settings),
            *certificates(settings),
            await room(connection, settings, BESIDE_OUR_POOL),
            await _role(connection, server.name),
            *await _revisions(settings, urls, server),
            *await _guarded(connection, server),
            *going(server, datetime.now(UTC).date()),
        ]
    finally:
        await connection.close()


async def _role(connection: Any, schema: str) -> Finding:
    role = await connection.fetchrow(_ROLE, ["suite", schema])
    if role["unbound"] or role["owned"]:
        why = "is a superuser or BYPASSRLS" if role["unbound"] else "owns tables"
        fix = "Let SUITE_DATABASE_URL name the application role (suite_app), and SUITE_DATABASE_OWNER_URL the owner."
        return Finding("problem", f"role {role['name']} {why}: row-level security does not bind it", fix)
    return Finding("ok", f"role {role['name']} is bound by row-level security")


async def _revisions(settings: Settings, urls: Urls, server: Server) -> list[Finding]:
    revisions: Mapping[str, Path | None] = {"suite": SUITE_REVISIONS, server.name: server.migrations}
    return [
        await _revision(settings, urls.owner or urls.app, schema, newest_revision(folder))
        for schema, folder in revisions.items()
        if folder is not None
    ]


async def _revision(settings: Settings, url: str, schema: str, newest: str) -> Finding:
    connection = await connect(url, "doctor", lent=True)
    try:
        there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f'"{schema}".revision')
        current = await connection.fetchval(f'SELECT version_num FROM "{schema}".revision') if there else None  # noqa: S608
    except asyncpg.InsufficientPrivilegeError:
        fix = "Set SUITE_DATABASE_OWNER_URL for this command, or see `mcp-suite db migrate`."
        return Finding("note", f"the revision of schema {schema} is not for this role to see", fix)
    finally:
        await connection.close()
    if current == newest:
        return Finding("ok", f"schema {schema} is at its newest revision, {newest}")
    if current is not None and current > newest:
        return Finding("ok", f"schema {schema} is at revision {current} of a newer release; this one needs {newest}")
    by_itself = settings.profile == "laptop" and settings.database_url is None
    fix = "The next start does it by itself." if by_itself else "mcp-suite db migrate"
    text = f"schema {schema} is at revision {current or 'none'}, not {newest}"
    return Finding("note" if by_itself else "problem", text, fix)


async def _guarded(connection: Any, server: Server) -> list[Finding]:
    tables = await connection.fetch(_TABLES, server.name)
    tenants = list(server.views.tables) if server.views else []
    findings: list[Finding] = []
    for row in tables:
        full = f"{server.name}.{row['name']}"
        if not row["forced"]:
            fix = f"ALTER TABLE {full} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            level = "problem" if row["name"] in tenants else "note"
            findings.append(
                Finding(level, f"{full} has no forced row-level security", fix if level == "problem" else "")
            )
    forced = sum(row["forced"] for row in tables)
    return (
        [*findings, Finding("ok", f"{forced} tables of {server.name} have forced row-level security")] if tables else []
    )
