"""The audit in the console, over real HTTP: found, followed, read in full, checked, and taken away as a file."""

import csv
import io
import json
import re
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from servers.console.pages.exporting import COLUMNS, safe
from tests.harness import Databases, Suite, open_suite
from tests.shared.edge.web.browsing import Browser

pytestmark = pytest.mark.anyio

RECORD = re.compile(r"/audit/records/([0-9a-f-]{36})")


@pytest.fixture(scope="module")
async def acme(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    """Some calls of two tenants, one of them refused."""
    folder = tmp_path_factory.mktemp("audit")
    async with open_suite(await databases.fresh(), folder, databases.admin_url) as suite:
        await suite.call("support", "get_customer", {"customer_id": "C-000042"})
        await suite.call("manager", "get_customer", {"customer_id": "C-000043"})
        await suite.call("support", "merge_customers", {"customer_id": "C-000042"})
        await suite.call("outsider", "get_customer", {"customer_id": "C-000042"})
        yield suite


@pytest.fixture(scope="module")
async def auditor(acme: Suite) -> AsyncGenerator[Browser]:
    async with Browser(acme.url("console")) as browser:
        page = await browser.sign_in("auditor", "/audit", second_factor=True)
        assert page.status_code == 200, page.text
        yield browser


async def rows(browser: Browser, path: str) -> list[dict[str, Any]]:
    """What an export says."""
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_customer_is_followed_through_everything_that_names_it(auditor: Browser) -> None:
    page = await auditor.get("/audit?about=C-000042")
    assert page.status_code == 200
    assert len(RECORD.findall(page.text)) == 2
    assert "C-000043" not in page.text


async def test_a_person_is_followed(auditor: Browser) -> None:
    found = await rows(auditor, "/audit/export.jsonl?person=acme-sales-manager")
    assert {record["subject"] for record in found} == {"acme-sales-manager"}
    assert [record["target"] for record in found if record["target_kind"] == "tool"] == ["get_customer"]


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("about=get_customer", 2),
        ("outcome=unknown_target", 1),
        ("server=customers&outcome=ok", 2),
        ("about=get_customer&until=2020-01-01", 0),
        ("about=get_customer&since=2020-01-01", 2),
        ("request_id=nothing", 0),
    ],
)
async def test_filters_narrow_what_is_found(auditor: Browser, asked: str, count: int) -> None:
    assert len(RECORD.findall((await auditor.get(f"/audit?{asked}")).text)) == count


async def test_a_time_that_is_none_is_said_on_the_page(auditor: Browser) -> None:
    page = await auditor.get("/audit?since=yesterday")
    assert page.status_code == 422
    assert "write a day like 2026-11-22" in page.text


async def test_pages_go_on_where_the_last_ended(acme: Suite, auditor: Browser) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(acme.call, "support", "get_customer", {"customer_id": "C-000077"})
    first = await auditor.get("/audit?about=C-000077")
    older = re.search(r'href="[^"]*(/audit\?cursor=[^"]+)">Older', first.text)
    assert older is not None
    second = await auditor.get(older[1].replace("&amp;", "&"))
    seen = [*RECORD.findall(first.text), *RECORD.findall(second.text)]
    assert (len(seen), len(set(seen))) == (60, 60)


async def test_a_record_is_shown_in_full_with_its_place_and_whether_it_verifies(acme: Suite, auditor: Browser) -> None:
    record_id = RECORD.findall((await auditor.get("/audit?about=C-000043")).text)[0]
    page = await auditor.get(f"/audit/records/{record_id}")
    assert "It verifies" in page.text
    assert "acme-sales-manager" in page.text
    assert "arguments_redacted" in page.text
    await acme.sql("UPDATE suite.audit SET subject = 'eve' WHERE id = $1", record_id)
    page = await auditor.get(f"/audit/records/{record_id}")
    await acme.sql("UPDATE suite.audit SET subject = 'acme-sales-manager' WHERE id = $1", record_id)
    assert "subject: the column differs from the signed body" in page.text


async def test_the_chain_is_checked_and_what_does_not_fit_is_named(acme: Suite, auditor: Browser) -> None:
    assert "Everything fits" in (await auditor.get("/audit/check")).text
    [(record_id, was)] = await acme.sql(
        "SELECT id, hash FROM suite.audit WHERE tenant = 'acme' AND target = 'get_customer' ORDER BY at LIMIT 1"
    )
    await acme.sql("UPDATE suite.audit SET hash = sha256(hash) WHERE id = $1", record_id)
    page = await auditor.get("/audit/check")
    await acme.sql("UPDATE suite.audit SET hash = $2 WHERE id = $1", record_id, was)
    assert "2 things do not fit" in page.text
    assert "hash: body, prev_hash or hash was changed" in page.text


async def test_the_outsider_sees_nothing_of_this_tenant(acme: Suite, auditor: Browser) -> None:
    theirs = RECORD.findall((await auditor.get("/audit?about=C-000043")).text)[0]
    async with Browser(acme.url("console")) as outsider:
        page = await outsider.sign_in("outsider", "/audit?about=C-000042", second_factor=True)
        assert len(RECORD.findall(page.text)) == 1
        assert "acme" not in page.text
        assert (await outsider.get(f"/audit/records/{theirs}")).status_code == 404
        found = await rows(outsider, "/audit/export.jsonl")
    assert {record["tenant"] for record in found} == {"globex"}


async def test_each_look_is_itself_recorded(acme: Suite, auditor: Browser) -> None:
    await auditor.get("/audit?about=C-000042")
    looked = (await acme.records(tenant="acme", subject="acme-auditor", target="search_audit", limit=1))[0]
    assert looked["arguments"]["about"] == "C-000042"
    assert looked["outcome"] == "ok"
    await rows(auditor, "/audit/export.jsonl?about=C-000043")
    assert (await acme.records(subject="acme-auditor", target="export_audit", limit=1))[0]["outcome"] == "ok"


async def test_whoever_lacks_the_scope_sees_no_audit(acme: Suite) -> None:
    async with Browser(acme.url("console")) as support:
        page = await support.sign_in("support", "/audit")
        assert page.status_code == 404
        for path in ("/audit/check", "/audit/export.csv", "/catalogue", "/health"):
            assert (await support.get(path)).status_code == 404, path
    refused = await acme.records(subject="acme-support-agent", target="search_audit", limit=1)
    assert refused[0]["outcome"] != "ok"


async def test_a_csv_has_a_line_for_each_record_and_no_formula(acme: Suite, auditor: Browser) -> None:
    await acme.call("support", "=cmd|' /C calc'!A0", {})
    answer = await auditor.get("/audit/export.csv?person=acme-support-agent")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    head, *lines = list(csv.reader(io.StringIO(answer.text)))
    assert head == list(COLUMNS)
    assert {line[3] for line in lines} == {"acme-support-agent"}
    assert not [cell for line in lines for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "'=cmd|' /C calc'!A0" in {line[9] for line in lines}


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=x", "  =1", "\uff1d1"])
def test_no_text_in_a_cell_is_taken_for_a_formula(cell: str) -> None:
    assert safe(cell) == f"'{cell}"
    assert safe(-5) == "-5"
    assert safe("plain") == "plain"
    assert safe(None) == ""
