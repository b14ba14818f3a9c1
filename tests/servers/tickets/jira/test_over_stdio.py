"""Over stdio, where there is no token to exchange: a service credential tells the story."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.harness import MODERN, Databases
from tests.processes import COMMAND
from tests.servers.tickets.jira.fake import open_jira
from tests.servers.tickets.jira.site import basic, everybody, wish

pytestmark = pytest.mark.anyio


async def test_a_ticket_is_made_and_found(databases: Databases, tmp_path: Path) -> None:
    urls = await databases.fresh()
    async with open_jira(everybody) as jira:
        given = {
            "DATABASE_URL": urls.app,
            "DATA_DIR": str(tmp_path),
            "UPSTREAMS": json.dumps({"jira": basic(jira.url)}),
        }
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_"))
        }
        environment |= {f"SUITE_{name}": value for name, value in given.items()}
        command = StdioServerParameters(command=str(COMMAND), args=["serve", "tickets", "--stdio"], env=environment)
        async with Client(stdio_client(command), mode=MODERN) as client:
            made: Any = await client.call_tool("create_ticket", wish("Over stdio"))
            assert not made.is_error, made.structured_content
            found: Any = await client.call_tool("search_tickets", {"query": "stdio"})
        assert [each["title"] for each in found.structured_content["tickets"]] == ["Over stdio"]
        assert len(jira.writes) == 1
