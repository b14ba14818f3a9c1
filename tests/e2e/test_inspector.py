"""The command line of the MCP Inspector, with which people try servers: both eras, over HTTP and over stdio."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.local import Local
from tests.clients.node import npm
from tests.clients.processes import processes_of
from tests.clients.wire import COMMAND
from tests.harness import LEGACY, MODERN, Databases, Suite

FOLDER = Path(npm.__file__).parent
INSPECTOR = FOLDER / "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"
PATIENT = ("--connect-timeout", "60000")
REVISIONS = {"legacy": LEGACY, "modern": MODERN}

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("packages"), pytest.mark.parametrize("era", REVISIONS)]


@pytest.fixture(scope="module")
def packages() -> None:
    npm.installed(FOLDER)


@pytest.fixture
async def local(databases: Databases, tmp_path: Path) -> Local:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return Local(await databases.fresh(), folder)


@pytest.fixture
def over_http(suite: Suite) -> list[str]:
    return [suite.url(), "--header", f"Authorization: Bearer {suite.token('manager')}"]


async def inspect(home: Path, target: list[str], era: str, method: str, *options: str) -> dict[str, Any]:
    """The result of one method, with a home of its own: the Inspector keeps files there."""
    words = ["--cli", *target, "--protocol-era", era, "--format", "json", *PATIENT, "--method", method, *options]
    code, told, errors = await npm.node(INSPECTOR, *words, env={"HOME": str(home)}, within_s=90)
    assert told, f"{method} ended with {code}: {errors}"
    return json.loads(told)["result"]


async def look(home: Path, target: list[str], era: str) -> tuple[set[str], dict[str, Any], dict[str, Any]]:
    """The names of the tools; a customer as the tool gives it; the same as the resource gives it."""
    listed = await inspect(home, target, era, "tools/list")
    called = ("--tool-name", "get_customer", "--tool-arg", "customer_id=C-000001")
    by_tool = await inspect(home, target, era, "tools/call", *called)
    read = await inspect(home, target, era, "resources/read", "--uri", "customer://C-000001")
    (content,) = read["contents"]
    return {tool["name"] for tool in listed["tools"]}, by_tool["structuredContent"], json.loads(content["text"])


async def test_it_lists_calls_and_reads_over_http(suite: Suite, over_http: list[str], era: str, tmp_path: Path) -> None:
    tools, by_tool, by_resource = await look(tmp_path, over_http, era)
    async with suite.connect("manager", era) as client:
        assert tools == {tool.name for tool in (await client.list_tools()).tools}
    (row,) = await suite.sql("SELECT name, email FROM customers.customers WHERE tenant_id = 'acme' AND id = 'C-000001'")
    assert by_tool == by_resource
    assert {**by_tool, "id": "C-000001", "name": row["name"], "email": row["email"]} == by_tool
    records = await suite.records(target="customer://C-000001")
    assert records[0]["era"] == REVISIONS[era]


async def test_it_shows_why_a_call_failed(over_http: list[str], era: str, tmp_path: Path) -> None:
    called = ("--tool-name", "get_customer", "--tool-arg", "customer_id=C-999999")
    result = await inspect(tmp_path, over_http, era, "tools/call", *called)
    assert (result["isError"], json.loads(result["content"][0]["text"])["error"]["code"]) == (True, "not_found")


async def test_it_lists_calls_and_reads_over_stdio(local: Local, era: str, tmp_path: Path) -> None:
    settings = [word for name, value in local.env.items() for word in ("-e", f"{name}={value}")]
    tools, by_tool, by_resource = await look(tmp_path, [*COMMAND, *settings], era)
    assert {"get_customer", "create_customer"} <= tools
    assert (by_tool["id"], by_tool) == ("C-000001", by_resource)
    records, report = await local.audit()
    done = [(r["target"], r["outcome"], r["era"], r["transport"]) for r in records if r["target_kind"] != "list"]
    told = ("ok", REVISIONS[era], "stdio")
    assert (done, report.problems) == ([("get_customer", *told), ("customer://C-000001", *told)], [])
    assert processes_of(local.folder) == {}
