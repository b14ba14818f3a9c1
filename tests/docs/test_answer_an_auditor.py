"""docs/answer-an-auditor.md: each question is asked after calls that happened, and answered as the page says."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.docs.fences import ROOT, fences
from tests.harness import Suite
from tests.servers.console.asking import decide
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio

PAGE = ROOT / "docs" / "answer-an-auditor.md"
TEXT = PAGE.read_text("utf-8")
COMMANDS = [line for fence in fences(PAGE) if fence.language == "sh" for line in fence.text.splitlines()]
AGENT: dict[str, Any] = {"act": {"sub": "acme-triage"}, "client_id": "acme-triage", "scopes": ["customers:export"]}


async def export(suite: Suite) -> dict[str, Any]:
    return await suite.call("manager", "export_customers", {"idempotency_key": "export-all"}, **AGENT)


@pytest.fixture(scope="module")
async def approval(suite: Suite) -> str:
    """An approval of an agent's export, after other calls about a customer."""
    await suite.call("support", "get_customer", {"customer_id": "C-000042"})
    note = {"customer_id": "C-000042", "text": "Paid with 4111 1111 1111 1111"}
    await suite.call("manager", "add_customer_note", note)
    await suite.call("support", "add_customer_note", note)
    await suite.call("manager", "search_customers", {"query": "an"})
    with anyio.fail_after(30):  # an export can wait, so a busy machine has it come again
        while (held := await export(suite))["error"]["code"] == "shed":
            await anyio.sleep(0.2)
    assert held["error"]["code"] == "needs_approval", held
    found = held["error"]["details"]["approval_id"]
    await decide(suite, found, "approver", "approve", reason="for the yearly report")
    with anyio.fail_after(20):
        while (await suite.sql("SELECT state FROM suite.approvals WHERE id = $1", found))[0]["state"] == "approved":
            await anyio.sleep(0.02)
    return found


@pytest.fixture
async def shell(suite: Suite, approval: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    keep_logs(monkeypatch)
    made = Shell.beside(suite.urls, suite.settings.data_dir)
    made.env["SUITE_DATABASE_READER_URL"] = suite.urls.reader
    return made


async def said(shell: Shell, command: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in await shell.does(*shlex.split(command)[1:])]


def asked(part: str) -> str:
    (found,) = (command for command in COMMANDS if part in command)
    return found


async def test_who_did_what_to_a_customer_names_everybody_refused_ones_too_and_masks(shell: Shell) -> None:
    records = await said(shell, asked("--names C-000042"))
    who = {(one["subject"], one["target"], one["kind"], one.get("outcome")) for one in records}
    assert who == {
        ("acme-support-agent", "get_customer", "call", "ok"),
        ("acme-sales-manager", "add_customer_note", "intent", None),
        ("acme-sales-manager", "add_customer_note", "outcome", "ok"),
        ("acme-support-agent", "add_customer_note", "call", "unknown_target"),
    }
    assert "4111" not in json.dumps(records)
    assert any(one["arguments_redacted"] for one in records)


async def test_what_a_search_and_an_export_showed_is_found_by_their_own_names_alone(shell: Shell) -> None:
    for target in ("search_customers", "export_customers"):
        found = await said(shell, asked(f"--target {target}"))
        assert found
        assert not any("C-000042" in json.dumps(one) for one in found)


async def test_every_field_of_the_page_is_in_some_record(shell: Shell) -> None:
    table = TEXT.partition("| field | says |")[2].partition("\n\n")[0]
    named = {field for row in table.splitlines()[2:] for field in re.findall(r"`(\w+)`", row.split("|")[1])}
    records = await said(shell, ".venv/bin/mcp-suite audit query --tenant acme --limit 100")
    assert len(named) > 20
    assert named <= {field for record in records for field in record}


async def test_who_approved_is_one_more_question(shell: Shell, approval: str) -> None:
    held = [one for one in await said(shell, asked("needs_approval")) if one["target"] == "export_customers"]
    assert {one["approval"] for one in held} == {approval}
    life = await said(shell, f"mcp-suite audit query --tenant acme --names {approval}")
    decided = next(
        one for one in life if (one["server"], one["target"], one["kind"]) == ("console", "approve", "outcome")
    )
    assert (decided["subject"], decided["arguments"]["reason"]) == ("acme-approver", "for the yearly report")
    done = next(one for one in life if one["target"] == "export_customers" and one.get("outcome") == "ok")
    assert (done["subject"], done["actor"]) == ("acme-sales-manager", "acme-triage")
    assert "acme-approver" in json.dumps(done["approvers"])


async def test_what_a_person_did_is_all_of_theirs(shell: Shell) -> None:
    found = await said(shell, asked("--subject acme-sales-manager"))
    assert {one["subject"] for one in found} == {"acme-sales-manager"}


async def test_who_was_stopped_and_by_whom_is_there(shell: Shell) -> None:
    await shell.does("stop", "tool", "customers.merge_customers", "--reason", "a drill")
    await shell.does("resume", "1", "--reason", "over")
    for command in (asked("--target stop"), asked("--target resume")):
        (record,) = await said(shell, command)
        assert record["actor"]


CHANGES = {
    "the column differs from the signed body": "UPDATE suite.audit SET subject = 'somebody' WHERE seq = 3",
    "hash: body, prev_hash or hash was changed": (
        "UPDATE suite.audit SET body = replace(convert_from(body, 'UTF8'), 'acme', 'emca')::bytea WHERE seq = 3"
    ),
    "before it are gone": "DELETE FROM suite.audit WHERE seq = 3",
}


@pytest.mark.parametrize("told", CHANGES)
async def test_what_is_changed_in_the_database_is_found_as_the_page_says(suite: Suite, shell: Shell, told: str) -> None:
    assert told in TEXT
    await suite.sql("CREATE TABLE kept AS SELECT * FROM suite.audit")
    try:
        assert (await shell.does("audit", "verify"))[-1].endswith("intact")
        await suite.sql(CHANGES[told])
        ended = await shell.run("audit", "verify")
        assert ended.exit_code == 1
        assert told in ended.output
    finally:
        await suite.sql("DELETE FROM suite.audit")
        await suite.sql("INSERT INTO suite.audit SELECT * FROM kept")
        await suite.sql("DROP TABLE kept")


async def test_an_end_that_was_cut_off_is_found_by_its_checkpoint_and_without_one_by_nobody(
    suite: Suite, shell: Shell, tmp_path: Path
) -> None:
    await shell.does("stop", "tool", "customers.merge_customers", "--reason", "an end of its own")
    newest = "(SELECT chain FROM suite.audit_chain ORDER BY opened_at DESC LIMIT 1)"
    last = f"chain = {newest} AND seq = (SELECT max(seq) FROM suite.audit WHERE chain = {newest})"
    assert await suite.sql(f"DELETE FROM suite.audit WHERE {last} AND seq > 0 RETURNING seq")
    shell.env["SUITE_AUDIT_CHECKPOINTS"] = str(tmp_path)
    assert (await shell.does("audit", "verify"))[-1].endswith("intact")
    del shell.env["SUITE_AUDIT_CHECKPOINTS"]
    ended = await shell.run("audit", "verify")
    assert ended.exit_code == 1
    told = re.search(r"gone or changed: it was there at", ended.output)
    assert told
    assert told[0] in TEXT
