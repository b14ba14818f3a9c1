"""The database roles of the suite, made by an ordinary administrator of a managed PostgreSQL.

    suite_owner    owns the database and its schemas; runs migrations
    suite_app      serves calls; owns nothing, subject to row-level security
    suite_reader   reads the audit
    suite_operator switches tools, clients and users off and on, and can do nothing else
    suite_console  what people decide: approvals, besides what the reader and the operator may
    suite_search   cannot log in; owns the SECURITY DEFINER search functions, under policies of its own

The administrator needs CREATEROLE and CREATEDB, not superuser. Roles belong to the whole server, so all
databases made here share them and their passwords.
"""

import json
import os
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from hashlib import pbkdf2_hmac, sha256
from hmac import digest
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, cast
from urllib.parse import quote, urlsplit

import asyncpg

from shared.core.errors import Misconfigured
from shared.state.embedded import EmbeddedPostgres
from shared.state.private import keep_private

OWNER = "suite_owner"
APP = "suite_app"
READER = "suite_reader"
OPERATOR = "suite_operator"
CONSOLE = "suite_console"
SEARCH = "suite_search"

_SCRAM_ROUNDS = 4096  # PostgreSQL's own; the passwords are random, so more would only slow connecting
_LOCK = 7_305_119_002  # one administrator at a time, per server: two would update the same catalogue rows


@dataclass(frozen=True)
class Passwords:
    """The passwords of the roles that log in; an operator or a console without one is made, and cannot."""

    owner: str = field(repr=False)
    app: str = field(repr=False)
    reader: str = field(repr=False)
    operator: str | None = field(default=None, repr=False)
    console: str | None = field(default=None, repr=False)

    @staticmethod
    def random() -> "Passwords":
        return Passwords(*(token_urlsafe(24) for _ in range(5)))


@dataclass(frozen=True)
class Urls:
    """DSNs of one database, with passwords: for migrations, for serving, for reading the audit, for switching, for
    deciding what was asked for.
    """

    owner: str = field(repr=False)
    app: str = field(repr=False)
    reader: str = field(repr=False)
    operator: str = field(default="", repr=False)
    console: str = field(default="", repr=False)


async def embedded_urls(embedded: EmbeddedPostgres, data_dir: Path, database: str = "suite") -> Urls:
    """Roles and database on an embedded server.

    Args:
        embedded: The server.
        data_dir: The directory the server was started with: it keeps the passwords, mode 0600.
        database: Made if missing.
    """
    kept = keep_private(data_dir / "roles.json", lambda: json.dumps(asdict(Passwords.random())))
    passwords = Passwords(**json.loads(kept))
    if passwords.operator is None:  # the file is older than the role
        operator = keep_private(data_dir / "operator.txt", lambda: token_urlsafe(24))
        passwords = replace(passwords, operator=operator)
    if passwords.console is None:
        passwords = replace(passwords, console=keep_private(data_dir / "console.txt", lambda: token_urlsafe(24)))
    return await ensure_roles(embedded.admin_url, passwords, database)


async def ensure_roles(admin_url: str, passwords: Passwords, database: str = "suite") -> Urls:
    """Make what is missing of the roles and the database, and set the passwords; may be repeated.

    Raises:
        Misconfigured: A role or the database is there but unsafe, or not ours to change; says what to run.
    """
    urls = Urls(
        owner=_url(admin_url, OWNER, passwords.owner, database),
        app=_url(admin_url, APP, passwords.app, database),
        reader=_url(admin_url, READER, passwords.reader, database),
        operator=_url(admin_url, OPERATOR, passwords.operator, database) if passwords.operator else "",
        console=_url(admin_url, CONSOLE, passwords.console, database) if passwords.console else "",
    )
    async with _connected(admin_url) as admin:
        await admin.execute("SELECT pg_advisory_lock($1)", _LOCK)
        try:
            async with admin.transaction():  # a commit each would make every start of a laptop wait for its disk
                await _roles(admin, passwords)
            await _refuse_unsafe(admin)
            await _database(admin, database)
        except asyncpg.InsufficientPrivilegeError as error:
            raise Misconfigured(
                f"the administrator lacks a right ({error}). It needs CREATEROLE and CREATEDB, and must have "
                f"made {OWNER}, {APP}, {READER}, {OPERATOR}, {CONSOLE} and {SEARCH} itself or hold them WITH ADMIN "
                "OPTION"
            ) from error
    async with _connected(urls.owner) as owner:
        await owner.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    return urls


async def _roles(admin: Any, passwords: Passwords) -> None:
    for name, password in ((OWNER, passwords.owner), (APP, passwords.app), (READER, passwords.reader)):
        verb = "ALTER" if await _exists(admin, name) else "CREATE"
        await _run(admin, f"{verb} ROLE %I LOGIN PASSWORD %L", name, _verifier(password))
    for name in (OPERATOR, CONSOLE, SEARCH):
        if not await _exists(admin, name):
            await _run(admin, "CREATE ROLE %I NOLOGIN", name)
    for name, password in ((OPERATOR, passwords.operator), (CONSOLE, passwords.console)):
        if password:
            await _run(admin, "ALTER ROLE %I LOGIN PASSWORD %L", name, _verifier(password))
    await _run(admin, "GRANT %I TO %I", SEARCH, OWNER)
    await _run(admin, "GRANT %I, %I TO %I", READER, OPERATOR, CONSOLE)
    if not await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await _run(admin, "GRANT %I TO CURRENT_USER", OWNER)


async def _refuse_unsafe(admin: Any) -> None:
    """Row-level security binds only those who cannot step around it."""
    unsafe = await admin.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY($1) AND (rolsuper OR rolbypassrls OR rolcreaterole"
        " OR (rolname = $2 AND rolcanlogin)"
        " OR (rolname = ANY($3) AND (pg_has_role(oid, $4, 'MEMBER') OR pg_has_role(oid, $2, 'MEMBER'))))",
        [OWNER, APP, READER, OPERATOR, CONSOLE, SEARCH],
        SEARCH,
        [APP, READER, OPERATOR, CONSOLE],
        OWNER,
    )
    if unsafe:
        names = ", ".join(row["rolname"] for row in unsafe)
        raise Misconfigured(
            f"{names} could step around row-level security: take away SUPERUSER, BYPASSRLS, CREATEROLE, "
            f"the LOGIN of {SEARCH}, and memberships in {OWNER} and {SEARCH}"
        )


async def _database(admin: Any, database: str) -> None:
    sql = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1"
    owner = await admin.fetchval(sql, database)
    if owner is None:
        await _run(admin, "CREATE DATABASE %I OWNER %I", database, OWNER)
    elif owner != OWNER:
        raise Misconfigured(
            f"database {database} belongs to {owner}: run ALTER DATABASE {database} OWNER TO {OWNER}, "
            "or name another database"
        )
    async with admin.transaction():
        await _run(admin, "SET LOCAL ROLE %I", OWNER)
        await _run(admin, "REVOKE ALL ON DATABASE %I FROM PUBLIC", database)
        for role in (OWNER, APP, READER, OPERATOR, CONSOLE):
            await _run(admin, "GRANT CONNECT ON DATABASE %I TO %I", database, role)


async def _exists(admin: Any, role: str) -> bool:
    return await admin.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role)


async def _run(admin: Any, template: str, *names: str) -> None:
    """Run a statement that takes no parameters; the server quotes the names (`%I`) and the literals (`%L`)."""
    await admin.execute(await admin.fetchval("SELECT format($1, VARIADIC $2::text[])", template, list(names)))


def _verifier(password: str) -> str:
    """What PostgreSQL stores (RFC 5803): so no log of statements ever shows the password."""
    if not password.isascii():
        raise Misconfigured("database passwords must be ASCII")
    salt = os.urandom(16)
    salted = pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ROUNDS)
    stored = sha256(digest(salted, b"Client Key", "sha256")).digest()
    parts = [b64encode(part).decode() for part in (salt, stored, digest(salted, b"Server Key", "sha256"))]
    return f"SCRAM-SHA-256${_SCRAM_ROUNDS}:{parts[0]}${parts[1]}:{parts[2]}"


def _url(admin_url: str, role: str, password: str, database: str) -> str:
    parts = urlsplit(admin_url)
    hosts = parts.netloc.rpartition("@")[2]
    return parts._replace(
        netloc=f"{role}:{quote(password, safe='')}@{hosts}", path=f"/{quote(database, safe='')}"
    ).geturl()


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[Any]:
    connection = cast("Any", await asyncpg.connect(url))  # pyright: ignore[reportUnknownMemberType]
    try:
        yield connection
    finally:
        await connection.close()
