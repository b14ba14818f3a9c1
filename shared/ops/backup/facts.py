"""What a backup says of the database it was made of, and what is looked at again once it is restored."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel

from shared.core.errors import Misconfigured

_HEADS = "SELECT heads::text FROM suite.release"
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') ORDER BY 1
"""
_GUARDS = """
SELECT concat_ws(' ', c.relkind, c.oid::regclass, 'of', pg_get_userbyid(c.relowner),
                 CASE WHEN c.relrowsecurity THEN 'row security' END,
                 CASE WHEN c.relforcerowsecurity THEN 'forced' END,
                 (SELECT string_agg(item::text, ',' ORDER BY item::text) FROM unnest(c.relacl) AS item),
                 (SELECT string_agg(attname || item::text, ',' ORDER BY attname, item::text)
                  FROM pg_attribute, unnest(attacl) AS item WHERE attrelid = c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p', 'v', 'S')
UNION ALL
SELECT concat_ws(' ', 'policy', policyname, 'on', schemaname, tablename, permissive, roles::text, cmd, qual, with_check)
FROM pg_policies WHERE schemaname = ANY($1)
UNION ALL
SELECT concat_ws(' ', 'function', p.oid::regprocedure, 'of', pg_get_userbyid(p.proowner), p.prosecdef,
                 p.proconfig::text,
                 (SELECT string_agg(item::text, ',' ORDER BY item::text) FROM unnest(p.proacl) AS item))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1)
UNION ALL
SELECT concat_ws(' ', 'schema', nspname, 'of', pg_get_userbyid(nspowner),
                 (SELECT string_agg(item::text, ',' ORDER BY item::text) FROM unnest(nspacl) AS item))
FROM pg_namespace WHERE nspname = ANY($1)
ORDER BY 1
"""
_CHAINS = """
SELECT DISTINCT ON (chain) chain::text, seq, encode(hash, 'hex') AS hash FROM suite.audit ORDER BY chain, seq DESC
"""
_AUDIT_KEYS = "SELECT DISTINCT key_id FROM suite.audit ORDER BY 1"
_LEDGER_KEYS = """
SELECT DISTINCT encode(substring(answer FOR 4), 'hex') AS id FROM suite.ledger WHERE answer IS NOT NULL ORDER BY 1
"""


class Facts(BaseModel, frozen=True):
    """A database in one snapshot.

    Attributes:
        heads: Revision of each schema.
        rows: Of each table.
        guards: Who owns what, who may do what, and what row-level security says: one line each.
        chains: The last record of each audit chain: its number and hash.
        audit_keys: Ids of the keys without which the audit cannot be verified.
        ledger_keys: Ids of the keys without which stored answers cannot be opened.
    """

    heads: Mapping[str, str]
    rows: Mapping[str, int]
    guards: Sequence[str]
    chains: Mapping[str, tuple[int, str]]
    audit_keys: Sequence[str]
    ledger_keys: Sequence[str]


async def look(connection: Any) -> Facts:
    """The facts, as the connection's transaction sees them.

    Args:
        connection: Of a role that row-level security does not bind.

    Raises:
        Misconfigured: There are no tables of the suite.
    """
    if not await connection.fetchval("SELECT to_regclass('suite.release') IS NOT NULL"):
        raise Misconfigured("the database has no tables of the suite; `mcp-suite db migrate` makes them")
    heads: dict[str, str] = orjson.loads(await connection.fetchval(_HEADS) or "{}")
    schemas = sorted(heads)
    tables = [row[0] for row in await connection.fetch(_TABLES, schemas)]
    # Guards name types and tables by their schema, whoever looks.
    await connection.execute("SET LOCAL search_path = pg_catalog")
    return Facts(
        heads=heads,
        rows={name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in tables},  # noqa: S608 - quoted by the server
        guards=[row[0] for row in await connection.fetch(_GUARDS, schemas)],
        chains={row["chain"]: (row["seq"], row["hash"]) for row in await connection.fetch(_CHAINS)},
        audit_keys=[row[0] for row in await connection.fetch(_AUDIT_KEYS)],
        ledger_keys=[row[0] for row in await connection.fetch(_LEDGER_KEYS)],
    )


def differences(kept: Facts, found: Facts) -> list[str]:
    """What is not as it was when the backup was made, one line each."""
    lines = [f"{name}: {count} rows, and {found.rows.get(name, 0)} now" for name, count in kept.rows.items()
             if found.rows.get(name, 0) != count]  # fmt: skip
    lines += [f"missing: {guard}" for guard in kept.guards if guard not in found.guards]
    lines += [f"too much: {guard}" for guard in found.guards if guard not in kept.guards]
    lines += [f"the audit chain {chain} does not end as it did" for chain, end in kept.chains.items()
              if found.chains.get(chain) != end]  # fmt: skip
    return lines if kept.heads == found.heads else [f"revisions: {kept.heads}, and {found.heads} now", *lines]
