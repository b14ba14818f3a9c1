"""The reference pages are made of the code; here that code is held to what a running suite does."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import servers
from shared.ops.exposition import exposed
from shared.ops.reference import audit_record, commands, endpoints, pages
from shared.ops.reference.scopes import scopes_of
from tests.docs.fences import ROOT
from tests.harness import Suite

pytestmark = pytest.mark.anyio

PAGES = pages()
CALL = {*audit_record.ALWAYS, *audit_record.ENDED, *audit_record.SEALED}
KNOWN = CALL | audit_record.FACTS.keys()


def rows(page: str, start: str) -> dict[str, list[str]]:
    """Cells of the rows of a page whose first cell is code that begins so, by that code."""
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGES[page].splitlines()]
    return {cells[0].strip("`"): cells[1:] for cells in found if cells[0].startswith(f"`{start}")}


async def test_a_running_process_exposes_every_metric_of_the_page_and_no_other(suite: Suite) -> None:
    await suite.call("manager", "get_customer", {"customer_id": "C-000001"})
    with exposed("127.0.0.1", 0) as port:
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    found: dict[str, str] = {}
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("process_"):
            found[family.name + ("_total" if family.type == "counter" else "")] = family.type
    assert {name: cells[0] for name, cells in rows("metrics.md", "").items()} == found


async def test_records_of_calls_hold_what_the_page_says_and_nothing_else(suite: Suite) -> None:
    made = await suite.call(
        "manager",
        "create_customer",
        {"name": "Ada", "segment": "consumer", "country": "DE", "idempotency_key": "reference-1"},
    )
    await suite.call("support", "get_customer", {"customer_id": made["customer"]["id"]})
    await suite.call("support", "get_customer", {"customer_id": "C-999999"})
    records: list[dict[str, Any]] = await suite.records(limit=50)
    assert {record["kind"] for record in records} <= audit_record.KINDS.keys()
    for record in records:
        if record["kind"] in {"call", "intent", "outcome"}:
            assert record.keys() <= KNOWN, record.keys() - KNOWN
            missing = CALL - record.keys()
            assert missing == ({*audit_record.ENDED} if record["kind"] == "intent" else set())
    assert {"intent", "outcome", "call"} <= {record["kind"] for record in records}


FACTS_SET_IN = ("pipeline.py", "steps/idempotency.py", "steps/approvals", "edge/subscriptions.py", "edge/reading.py")


def test_every_fact_that_the_path_of_a_call_notes_is_explained() -> None:
    sources = [path for name in FACTS_SET_IN for path in _modules(ROOT / "shared" / name)]
    noted = {name for path in sources for name in re.findall(r'facts\["(\w+)"\] [+]?=', path.read_text("utf-8"))}
    assert len(noted) > 6
    assert noted <= KNOWN


def _modules(path: Path) -> list[Path]:
    return sorted(path.glob("*.py")) if path.is_dir() else [path]


def test_every_kind_of_record_that_is_written_is_explained() -> None:
    shared = ROOT / "shared"
    paths = [
        *(shared / "steps" / "audit").glob("*.py"),
        shared / "steps" / "stopping.py",
        shared / "ops" / "audit_prune.py",
        shared / "edge" / "refusals.py",
    ]
    written = {kind for path in paths for kind in re.findall(r'"kind": "(\w+)"', path.read_text("utf-8"))}
    assert len(written) > 4
    assert written <= audit_record.KINDS.keys()


@pytest.mark.parametrize("server", servers.every(), ids=lambda server: server.name)
def test_every_scope_that_a_policy_names_is_on_the_page(server: servers.Server) -> None:
    assert server.policy is not None
    named = set(re.findall(r'Scope::"([^"]+)"', server.policy.read_text("utf-8")))
    assert named <= {*scopes_of(server)} | {*server.clearances}
    assert named <= rows("scopes.md", "").keys()


async def test_every_path_of_the_page_is_answered(suite: Suite) -> None:
    base = suite.settings.base_url
    async with httpx.AsyncClient(base_url=base, timeout=30) as http:
        for path in endpoints.PROBES:
            assert (await http.get(path)).status_code == 200, path
        for server in servers.every():
            cells = next(row for row in PAGES["endpoints.md"].splitlines() if row.startswith(f"| {server.name} |"))
            path, _, metadata = (cell.strip().strip("`") for cell in cells.strip("|").split("|")[1:])
            if metadata:
                assert (await http.get(metadata)).json()["resource"] == base + path
                assert (await http.post(path, json={})).status_code == 401


def test_every_command_and_option_explains_itself() -> None:
    for path, command in commands.walk():
        assert command.help, path
    assert "### `audit verify`" in PAGES["commands.md"]
