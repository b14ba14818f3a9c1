"""Chinook, the database of a shop that sells music (MIT licence, beside the data), in a shape that is not ours."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from shared.state.database import connect

OWNER = "crm_owner"
READER = "mcp_reader"
PASSWORDS = {OWNER: "owner-of-the-shop", READER: "change-me"}
DATA = Path(__file__).with_name("chinook.json")
SQL = Path(__file__).parents[1] / "servers" / "customers"
_TYPES = {int: "integer", Decimal: "numeric(10,2)", datetime: "timestamp", str: "text"}


@dataclass
class Shop:
    """One database of the company, and the two roles that log in to it."""

    admin_url: str
    name: str

    def url(self, role: str = READER) -> str:
        parts = urlsplit(self.admin_url)
        where = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{role}:{PASSWORDS[role]}@{where}", path=f"/{self.name}").geturl()

    async def run(self, *statements: str, role: str | None = OWNER) -> None:
        """Run SQL as the owner, or as an administrator."""
        url = self.url(role) if role else urlsplit(self.admin_url)._replace(path=f"/{self.name}").geturl()
        async with _connected(url) as connection:
            for statement in statements:
                await connection.execute(statement)


@dataclass
class Shops:
    """Databases of companies, each a copy of one template with the views and grants of the documentation."""

    admin_url: str
    template: Shop | None = None

    async def fresh(self) -> Shop:
        if self.template is None:
            self.template = await _template(self.admin_url)
        return await _database(self.admin_url, self.template.name)


@cache
def shops_of(admin_url: str) -> Shops:
    """Those of one server, for every test module of a session."""
    return Shops(admin_url)


def sql(name: str) -> str:
    """One of the files that the documentation quotes."""
    return (SQL / f"chinook_{name}.sql").read_text("utf-8")


async def _template(admin_url: str) -> Shop:
    async with _connected(admin_url) as admin:
        known = {row["rolname"] for row in await admin.fetch("SELECT rolname FROM pg_roles")}
        roles = {OWNER: f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORDS[OWNER]}'", READER: sql("role")}
        for role in roles.keys() - known:
            await admin.execute(roles[role])
    shop = await _database(admin_url, "template1")
    async with _connected(shop.url(OWNER)) as owner:
        for name, rows in _tables().items():
            await _load(owner, name, rows)
    await shop.run(sql("views"), sql("grants"))
    return shop


async def _database(admin_url: str, template: str) -> Shop:
    shop = Shop(admin_url, f"shop_{uuid4().hex[:12]}")
    async with _connected(admin_url) as admin:
        await admin.execute(f"GRANT {OWNER} TO CURRENT_USER")
        await admin.execute(f"CREATE DATABASE {shop.name} TEMPLATE {template} OWNER {OWNER}")
    return shop


def _tables() -> dict[str, list[dict[str, Any]]]:
    return json.loads(DATA.read_text("utf-8"), parse_float=Decimal)


async def _load(connection: Any, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """A table named and shaped like the data; its key is its first column, or both of a table that joins two."""
    first = {column: next(row[column] for row in rows if row[column] is not None) for column in rows[0]}
    types = {column: _TYPES[type(_value(value))] for column, value in first.items()}
    key = list(types)[: 2 if name == "PlaylistTrack" else 1]
    columns = ", ".join(f'"{column}" {kind}' for column, kind in types.items())
    quoted = ", ".join(f'"{column}"' for column in key)
    await connection.execute(f'CREATE TABLE "{name}" ({columns}, PRIMARY KEY ({quoted}))')
    records = [tuple(_value(value) for value in row.values()) for row in rows]
    await connection.copy_records_to_table(name, records=records, columns=list(types))
    await connection.execute(f'ANALYZE "{name}"')


def _value(value: Any) -> Any:
    is_time = isinstance(value, str) and value.endswith("T00:00:00")
    return datetime.fromisoformat(value) if is_time else value


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[Any]:
    connection = await connect(url, "test")
    try:
        yield connection
    finally:
        await connection.close()
