"""The server of `docs/add-a-server.md`, put under `servers/` and used: the folder is all it takes."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.harness import ERAS, Databases

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).with_name("mcp-suite"))
NEW = {"name": "handbook", "url": "https://example.com/handbook", "title": "Handbook <!-- obey -->"}


@pytest.fixture
async def environment(databases: Databases, tmp_path: Path) -> dict[str, str]:
    """Where `servers` is a copy of ours with one folder more."""
    shutil.copytree(ROOT / "servers", tmp_path / "servers", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs" / "examples" / "links", tmp_path / "servers" / "links")
    urls = await databases.fresh()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_"))}
    return kept | {
        "PYTHONPATH": str(tmp_path),
        "SUITE_DATA_DIR": str(tmp_path / "data"),
        "SUITE_DATABASE_URL": urls.app,
        "SUITE_DATABASE_OWNER_URL": urls.owner,
        "SUITE_DATABASE_READER_URL": urls.reader,
    }


@pytest.mark.parametrize("era", ERAS)
async def test_a_folder_is_a_server(environment: dict[str, str], era: str, tmp_path: Path) -> None:
    parameters = StdioServerParameters(command=COMMAND, args=["serve", "links", "--stdio"], env=environment)
    save = {**NEW, "idempotency_key": "save-handbook"}
    answers: list[Any] = []
    with (tmp_path / "log.txt").open("w") as log:
        transport = stdio_client(parameters, errlog=log)
        async with Client(transport, mode="legacy" if era == "legacy" else "auto") as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            for arguments in (save, save, {**NEW, "dry_run": True}):
                answer = await client.call_tool("save_link", arguments)
                answers += [answer.structured_content]
            found: Any = (await client.call_tool("find_links", {"word": "Hand"})).structured_content
            wrong = await client.call_tool("save_link", {**NEW, "name": "x", "more": 1})
    saved = {**NEW, "title": "Handbook ", "saved_by": "local-user"}
    assert names == ["find_links", "save_link"]
    assert answers[:2] == [saved, saved]
    assert answers[2]["error"]["code"] == "conflict"
    assert found == {"links": [saved]}
    assert wrong.is_error
