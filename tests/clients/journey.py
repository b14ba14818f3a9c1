"""The journey, with the 2.x SDK in either era; `sdk-1.30/journey.py` makes the same with its own SDK."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from mcp import Client
from mcp_types import TextResourceContents

from servers.customers.server import server
from shared.core.caller import Caller
from shared.core.tool import Tool


def shown(declared: Mapping[str, Tool], *scopes: str) -> list[str]:
    """Names that callers who hold `scopes` should see, in the order of declaration."""
    held = Caller.granted(list(scopes))
    return [name for name, tool in declared.items() if held.issuperset(tool.scopes)]


TOOLS = set(shown(server.tools.tools, "customers:write", "customers:pii"))
READING = set(shown(server.tools.tools, "customers:read"))
TEMPLATES = shown({uri: found.tool for uri, found in server.tools.resources.items()}, "customers:read")


async def ask(client: Client, tool: str, arguments: dict[str, Any], *, fails: bool = False) -> dict[str, Any]:
    """The structured answer, or if it `fails` the error object, of a tool."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error == fails, result
    answer: dict[str, Any] | None = result.structured_content
    assert answer is not None
    return answer


async def walk(client: Client, name: str, query: str) -> dict[str, Any]:
    """List, search, read, create twice with one key, update twice with one version, read the resource."""
    tools = (await client.list_tools()).tools
    templates = (await client.list_resource_templates()).resource_templates
    found = await ask(client, "search_customers", {"query": query})
    read = await ask(client, "get_customer", {"customer_id": found["customers"][0]["id"]})
    new = {"name": name, "segment": "consumer", "country": "DE", "idempotency_key": name}
    created = await ask(client, "create_customer", new)
    repeated = await ask(client, "create_customer", new)
    stale = {"customer_id": created["customer"]["id"], "version": created["customer"]["version"]}
    updated = await ask(client, "update_customer", {**stale, "changes": {"city": "Köln"}})
    conflict = await ask(client, "update_customer", {**stale, "changes": {"city": "Bonn"}}, fails=True)
    (resource,) = (await client.read_resource(f"customer://{stale['customer_id']}")).contents
    assert isinstance(resource, TextResourceContents)
    return {
        "sdk": version("mcp"),
        "protocol": client.protocol_version,
        "server": client.server_info.name if client.server_info else None,
        "tools": [tool.name for tool in tools],
        "templates": [template.uri_template for template in templates],
        "found": found,
        "read": read,
        "created": created,
        "repeated": repeated,
        "updated": updated,
        "conflict": conflict,
        "resource": {
            "uri": resource.uri,
            "mime_type": resource.mime_type,
            "customer": json.loads(resource.text),
        },
    }


def judge(seen: dict[str, Any], name: str, known: dict[str, Any], tools: set[str] = TOOLS) -> None:
    """Whether every step of a journey went as it must.

    Args:
        seen: What `walk` returned.
        name: Of the customer it made.
        known: Id and name of the one it searched for.
        tools: Those it may list: the scopes it had when it listed decide.
    """
    assert (seen["server"], set(seen["tools"])) == ("customers", tools)
    assert seen["templates"] == TEMPLATES
    assert known["id"] in [customer["id"] for customer in seen["found"]["customers"]]
    assert seen["read"]["id"] == seen["found"]["customers"][0]["id"]
    created = seen["created"]["customer"]
    assert (created["name"], created["version"]) == (name, 1)
    assert seen["repeated"] == seen["created"]
    assert (seen["updated"]["customer"]["version"], seen["updated"]["customer"]["city"]) == (2, "Köln")
    assert seen["updated"]["diff"] == {"city": {"before": None, "after": "Köln"}}
    error = seen["conflict"]["error"]
    assert (error["code"], error["retryable"], error["details"]) == ("conflict", False, {"current_version": 2})
    assert (seen["resource"]["uri"], seen["resource"]["mime_type"]) == (
        f"customer://{created['id']}",
        "application/json",
    )
    assert seen["resource"]["customer"] == seen["updated"]["customer"]
