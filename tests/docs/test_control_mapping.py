"""docs/control-mapping.md: its inventory of personal data is what the models mark, its tables are there, and its
statements erase.
"""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel

import servers
from shared.core.server import Server
from shared.state.database import connect
from shared.steps.redaction import Sensitive
from tests.docs.fences import ROOT
from tests.docs.talks import rows
from tests.harness import Databases

PAGE = (ROOT / "docs" / "control-mapping.md").read_text("utf-8")
Marked = set[tuple[str, str]]


def models_of(server: Server) -> Iterator[type[BaseModel]]:
    """Arguments and answers of everything a server offers."""
    tools = server.tools
    every = [*tools.tools.values(), *(part.tool for part in (*tools.resources.values(), *tools.prompts.values()))]
    for tool in every:
        yield from (tool.arguments, tool.answer)


def marked(kind: Any, name: str, seen: set[Any]) -> Iterator[tuple[str, str]]:
    """The scope and the name of each field below that holds a personal datum."""
    if get_origin(kind) is Annotated:
        inner, *marks = get_args(kind)
        yield from ((mark.scope, name) for mark in marks if isinstance(mark, Sensitive))
        yield from marked(inner, name, seen)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind not in seen:
            seen.add(kind)
            for field, info in kind.model_fields.items():
                yield from ((mark.scope, field) for mark in info.metadata if isinstance(mark, Sensitive))
                yield from marked(info.annotation, field, seen)
    else:
        for inner in get_args(kind):
            yield from marked(inner, name, seen)


def inventory() -> dict[str, Marked]:
    found: dict[str, Marked] = {}
    for server in servers.every():
        seen: set[Any] = set()
        held = {pair for model in models_of(server) for pair in marked(model, "", seen)}
        if held:
            found[server.name] = held
    return found


def test_the_inventory_of_personal_data_is_what_the_models_mark() -> None:
    told: dict[str, Marked] = {}
    for server, scope, fields in rows(PAGE, "## Personal data"):
        told.setdefault(server.strip("`"), set()).update(
            (scope.strip("`"), one) for one in re.findall(r"`(\w+)`", fields)
        )
    assert told == inventory()


@pytest.mark.anyio
async def test_the_tables_that_hold_them_are_there(databases: Databases) -> None:
    connection = await connect(databases.template.owner, "test")
    try:
        for table in re.findall(r"`((?:suite|customers|tickets|documents|mail)\.[a-z_]+)`", PAGE):
            assert await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table), table
    finally:
        await connection.close()


@pytest.mark.anyio
async def test_the_statements_erase_a_customer_of_one_tenant_from_every_table(databases: Databases) -> None:
    urls = await databases.fresh()
    connection = await connect(urls.owner, "test")
    try:
        await connection.execute("SELECT set_config('app.tenant', 'acme', false)")
        find = "SELECT name, email, phone, street FROM customers.customers WHERE id = 'C-000042'"
        before = [value for value in await connection.fetchrow(find) if value]
        assert before
        columns, values = "id, kind, before, after, personal", "'X-1', 'update', $1, '{}', true"
        undo = f"INSERT INTO customers.changes ({columns}) VALUES ({values})"
        await connection.execute(undo, json.dumps({"C-000042": {"email": before[1]}}))
        await connection.execute((ROOT / "docs" / "examples" / "erase-a-customer.sql").read_text())
        await connection.execute("SELECT set_config('app.tenant', 'acme', false)")
        assert list(await connection.fetchrow(find)) == ["erased", None, None, None]
        tables = "SELECT relname FROM pg_class WHERE relnamespace = 'customers'::regnamespace AND relkind = 'r'"
        for table in [row["relname"] for row in await connection.fetch(tables)]:
            left = await connection.fetch(f"SELECT t::text AS row FROM customers.{table} AS t")  # ours
            found = [row["row"] for row in left if "C-000042" in row["row"]]
            assert not any(value in row for value in before for row in found), table
        assert await connection.fetchval("SELECT count(*) FROM customers.customers") > 1
    finally:
        await connection.close()
