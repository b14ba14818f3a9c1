"""Whether a company's views fit, as the catalogue tells: before a server starts over them, and for `doctor`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg

from shared.core.views import View, Views, ViewType

TENANT = "tenant_id"

_SINCE = 150_000  # `security_invoker` came with PostgreSQL 15
_NAMED = 5
_ACCEPTED: Mapping[ViewType, tuple[str, ...]] = {
    "text": ("text", "character varying"),
    "integer": ("integer", "smallint", "bigint"),
    "numeric": ("numeric",),
    "timestamptz": ("timestamp with time zone",),
    "text[]": ("text[]", "character varying[]"),
}


@dataclass(frozen=True)
class Finding:
    """One line of `doctor`.

    Attributes:
        level: A problem keeps the server from starting or answering; a warning does not.
        fix: The SQL or the sentence that mends it.
    """

    level: Literal["ok", "note", "warning", "problem"]
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Examined:
    """What was found, and the columns each view really has."""

    findings: Sequence[Finding]
    columns: Mapping[str, Sequence[str]]


# What a session may become with SET ROLE counts as well.
_ROLE = """
    SELECT current_user::text AS name, bool_or(rolsuper) AS super, bool_or(rolbypassrls) AS unbound,
           current_setting('server_version_num')::int AS version
    FROM pg_roles WHERE pg_has_role(oid, 'MEMBER')
"""
_WRITABLE = """
    WITH held AS (SELECT oid, rolname FROM pg_roles WHERE pg_has_role(oid, 'MEMBER'))
    SELECT format('%I.%I', n.nspname, c.relname) AS relation, pg_has_role(c.relowner, 'MEMBER') AS owned,
           array_agg(held.rolname::text ORDER BY held.rolname) AS holders
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN held ON held.oid = c.relowner OR has_table_privilege(held.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
        OR has_any_column_privilege(held.oid, c.oid, 'INSERT, UPDATE')
    WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    GROUP BY n.nspname, c.relname, c.relowner
    ORDER BY n.nspname, c.relname
"""
_RELATION = """
    SELECT c.oid, c.relkind::text AS kind, has_schema_privilege(n.oid, 'USAGE') AS usable,
           coalesce((SELECT option_value::bool FROM pg_options_to_table(c.reloptions)
                     WHERE option_name = 'security_invoker'), false) AS invoker
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
"""
_COLUMNS = """
    SELECT attname AS name, format_type(atttypid, NULL) AS type
    FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
"""
# What a view reads, and the first view on the way that lends its owner's rights.
_BENEATH = """
    WITH RECURSIVE beneath(oid, lender) AS (
        SELECT $1::oid, NULL::oid
        UNION
        SELECT c.oid, CASE WHEN beneath.lender IS NOT NULL THEN beneath.lender
            WHEN c.relkind = 'm' OR c.relkind = 'v' AND NOT coalesce(
                (SELECT option_value::bool FROM pg_options_to_table(c.reloptions)
                 WHERE option_name = 'security_invoker'), false) THEN c.oid END
        FROM beneath
        JOIN pg_rewrite w ON w.ev_class = beneath.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> beneath.oid
        JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
    )
    SELECT format('%I.%I', n.nspname, c.relname) AS relation, c.relrowsecurity AS secured,
           has_any_column_privilege(c.oid, 'SELECT') AS readable, quote_ident(n.nspname) AS schema,
           has_schema_privilege(n.oid, 'USAGE') AS usable,
           lender.relnamespace::regnamespace || '.' || quote_ident(lender.relname) AS lender
    FROM beneath JOIN pg_class c ON c.oid = beneath.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class lender ON lender.oid = beneath.lender
    WHERE beneath.oid <> $1
    ORDER BY 1
"""


async def examine(connection: Any, server: str, views: Views, pinned: str | None) -> Examined:
    """Everything the catalogue tells about the role and the views. The views' rows are not read.

    Args:
        connection: Of the role that the server will use.
        server: Name of the server that would read them.
        views: Its contract.
        pinned: The one tenant that the settings name, if they do.
    """
    role = await connection.fetchrow(_ROLE)
    findings = [*_version(role), *await _role(connection, role)]
    columns: dict[str, Sequence[str]] = {}
    for name, view in views.tables.items():
        found = await connection.fetchrow(_RELATION, views.schema, name)
        if found is None:
            findings.append(_missing(views, name))
            continue
        types = {row["name"]: row["type"] for row in await connection.fetch(_COLUMNS, found["oid"])}
        columns[name] = [column for column in types if column in view.columns or column == TENANT]
        full = f"{views.schema}.{name}"
        problems = [*_shape(full, view, types), *_tenant(full, types, server, pinned)]
        problems += await _rights(connection, full, found, role["name"])
        findings += problems or [Finding("ok", f"{full}: every column is there, of the right type, and readable")]
    return Examined(findings, columns)


def _version(role: Any) -> Iterator[Finding]:
    if role["version"] < _SINCE:
        yield Finding(
            "problem",
            f"PostgreSQL {role['version'] // 10_000} has no security_invoker views",
            "Serve from PostgreSQL 15 or newer, e.g. a replica by logical replication.",
        )


async def _role(connection: Any, role: Any) -> list[Finding]:
    name = role["name"]
    another = f"CREATE ROLE mcp_reader LOGIN PASSWORD '…'; -- and use it instead of {name}, with SELECT alone"
    if role["super"] or role["unbound"]:
        power = "a superuser" if role["super"] else "BYPASSRLS"
        return [Finding("problem", f"role {name} is {power}: nothing would keep tenants apart", another)]
    writable = await connection.fetch(_WRITABLE)
    if not writable:
        return [Finding("ok", f"role {name} reads and cannot write")]
    if owned := [row["relation"] for row in writable if row["owned"]]:
        return [Finding("problem", f"role {name} owns {_names(owned)}, so it can write", another)]
    relations = [row["relation"] for row in writable]
    lenders = sorted({holder for row in writable for holder in row["holders"]} - {name})
    verbs = "INSERT, UPDATE, DELETE, TRUNCATE"
    fix = [f"REVOKE {lender} FROM {name};" for lender in lenders]
    fix += [f"REVOKE {verbs} ON {relation} FROM {name}, PUBLIC;" for relation in relations[:_NAMED]]
    return [Finding("problem", f"role {name} can write to {_names(relations)}", "\n".join(fix))]


def _missing(views: Views, name: str) -> Finding:
    columns = ", ".join(views.tables[name].columns)
    return Finding(
        "problem",
        f"there is no view {views.schema}.{name}",
        f"CREATE SCHEMA IF NOT EXISTS {views.schema};\n"
        f"CREATE VIEW {views.schema}.{name} WITH (security_invoker = true) AS SELECT …; -- {columns}",
    )


def _shape(full: str, view: View, types: Mapping[str, str]) -> Iterator[Finding]:
    for name, wanted in view.columns.items():
        if name not in types:
            if not wanted.nullable:
                fix = f"add to the SELECT of {full}: <expression>::{wanted.type} AS {name} -- {wanted.meaning}"
                yield Finding("problem", f"{full} lacks the column {name}", fix)
        elif types[name] not in _ACCEPTED[wanted.type]:
            yield _mistyped(full, name, types[name], wanted.type)


def _mistyped(full: str, name: str, found: str, wanted: str) -> Finding:
    fix = f"in {full} write: (<expression>)::{wanted} AS {name}"
    if wanted == "timestamptz" and found == "timestamp without time zone":
        fix = f"in {full} write: <expression> AT TIME ZONE 'UTC' AS {name} -- or the zone it was stored in"
    return Finding("problem", f"{full}.{name} is {found}, not {wanted}", fix)


def _tenant(full: str, types: Mapping[str, str], server: str, pinned: str | None) -> Iterator[Finding]:
    if TENANT not in types:
        if pinned is None:
            fix = (
                f"add to the SELECT of {full}: <expression>::text AS {TENANT}; or, if all rows are one tenant's, "
                f"set SUITE_DOMAIN_TENANT__{server.upper()} to it"
            )
            yield Finding("problem", f"{full} does not say whose its rows are, and no tenant is pinned", fix)
    elif types[TENANT] not in _ACCEPTED["text"]:
        yield _mistyped(full, TENANT, types[TENANT], "text")
    elif pinned is not None:
        yield Finding(
            "note",
            f"{full} has a {TENANT} and the tenant {pinned} is pinned: both must fit, so the rows of other "
            "tenants are shown to nobody",
        )


async def _rights(connection: Any, full: str, found: Any, role: str) -> list[Finding]:
    findings: list[Finding] = []
    beneath = await connection.fetch(_BENEATH, found["oid"])
    if found["kind"] == "v" and not found["invoker"]:
        text = f"{full} reads with its owner's rights: row-level security would not see the caller"
        findings.append(Finding("problem", text, f"ALTER VIEW {full} SET (security_invoker = true);"))
    lent = {row["lender"]: row["relation"] for row in beneath if row["lender"] and row["secured"]}
    findings += [
        Finding(
            "problem",
            f"{full} reads {relation} through {lender}, which lends its owner's rights past row-level security",
            f"ALTER VIEW {lender} SET (security_invoker = true); -- or read {relation} directly",
        )
        for lender, relation in lent.items()
    ]
    if found["kind"] == "m":
        text = f"{full} is materialized: no row-level security reaches it, only {TENANT} keeps tenants apart"
        fix = "Right for one pinned tenant. For several, a view WITH (security_invoker = true) over the tables."
        findings.append(Finding("warning", text, fix))
    return [*findings, *await _readable(connection, full, found["usable"], beneath, role)]


async def _readable(connection: Any, full: str, usable: bool, beneath: Sequence[Any], role: str) -> list[Finding]:
    try:
        await connection.fetch(f"SELECT * FROM {full} LIMIT 0")  # noqa: S608 - names of our own contract
    except asyncpg.InsufficientPrivilegeError as error:
        schemas = [] if usable else [full.partition(".")[0]]
        schemas += [row["schema"] for row in beneath if not row["usable"]]
        relations = [full, *(row["relation"] for row in beneath if not row["readable"])]
        fix = [f"GRANT USAGE ON SCHEMA {schema} TO {role};" for schema in dict.fromkeys(schemas)]
        fix += [f"GRANT SELECT ON {relation} TO {role};" for relation in relations]
        return [Finding("problem", f"role {role} may not read {full} ({error})", "\n".join(fix))]
    except asyncpg.PostgresError as error:
        return [Finding("problem", f"{full} cannot be read ({error})", "Repair the expression that the message names.")]
    return []


def _names(relations: Sequence[str]) -> str:
    more = f" and {len(relations) - _NAMED} more" if len(relations) > _NAMED else ""
    return ", ".join(relations[:_NAMED]) + more
