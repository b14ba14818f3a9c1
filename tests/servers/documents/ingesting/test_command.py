"""`mcp-suite documents ingest` as people run it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.processes import COMMAND
from tests.servers.documents.ingesting.workshop import Workshop
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio


@pytest.fixture
def shell(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Shell:
    keep_logs(monkeypatch)
    shell = Shell.beside(shop.urls, shop.settings.data_dir)
    shell.env["SUITE_DATABASE_READER_URL"] = shop.urls.reader
    return shell


def words(shop: Workshop, *more: str) -> list[str]:
    return ["documents", "ingest", str(shop.root), "--collection", shop.collection, *more]


async def test_the_command_says_what_it_did_and_why_files_were_skipped(shop: Workshop, tmp_path: Path) -> None:
    shop.put({"a.md": "# A\n", "café\n.md": "# Name\n", "b.md": "# Caf\xe9\n".encode("latin-1"), ".hidden": "x"})
    environment = {**os.environ, **Shell.beside(shop.urls, shop.settings.data_dir).env}
    report = tmp_path / "report.json"
    ended = subprocess.run(  # noqa: ASYNC221 - nothing else happens in this test
        [COMMAND, *words(shop, "--tenant", "acme", "--label", "Some words", "--report", str(report))],
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    first, *rest = ended.stdout.decode().splitlines()
    assert first.startswith(f"doc://{shop.collection}: 2 files in ")
    assert first.endswith(" s: 1 added, 2 skipped, 1 ignored")
    assert [line.partition(":")[0] for line in rest] == ["skipped café\\n.md (name)", "skipped b.md (encoding)"]
    told: dict[str, Any] = json.loads(report.read_bytes())
    assert (told["outcome"], told["counts"]["added"], told["added"]) == ("ok", 1, ["a.md"])
    assert told["skipped_by"] == {"name": 1, "encoding": 1}
    assert [(each["path"], each["code"]) for each in told["ignored"]] == [(".hidden", "hidden")]
    assert (await shop.shown())["a.md"]["labels"] == ["some-words"]


async def test_skipped_files_fail_only_a_strict_run(shop: Workshop, shell: Shell) -> None:
    shop.put({"a.md": "# A\n", "b.docx": b"x"})
    assert "1 added, 1 skipped" in (await shell.does(*words(shop)))[0]
    strict = await shell.run(*words(shop, "--strict"))
    assert (strict.exit_code, "1 unchanged, 1 skipped" in strict.stdout) == (1, True)
    (shop.root / "b.docx").unlink()
    shop.put({".hidden": "x"})
    assert "1 unchanged, 1 ignored" in (await shell.does(*words(shop, "--strict")))[0]


async def test_more_skipped_files_than_anybody_reads_are_counted(shop: Workshop, shell: Shell) -> None:
    shop.put({f"{number:02}.docx": b"x" for number in range(25)})
    lines = await shell.does(*words(shop))
    assert len(lines) == 22
    assert lines[-1] == "skipped 5 more; --report FILE names all"


async def test_what_vanished_is_named_with_what_to_do(shop: Workshop, shell: Shell) -> None:
    shop.put({"a.md": "# A\n", "b.md": "# B\n"})
    await shell.does(*words(shop))
    (shop.root / "a.md").unlink()
    assert (await shell.does(*words(shop)))[1:] == ["vanished a.md: its document is kept; --prune archives it"]
    tried = await shell.does(*words(shop, "--prune", "--dry-run"))
    assert tried[0].endswith("1 archived, 1 unchanged, 1 vanished (dry run: nothing was changed)")
    assert "1 archived" in (await shell.does(*words(shop, "--prune")))[0]
    assert set(await shop.shown()) == {"b.md"}


async def test_the_audit_finds_a_run_by_its_collection(shop: Workshop, shell: Shell) -> None:
    shop.put({"a.md": "# A\n"})
    await shell.does(*words(shop))
    found = [
        json.loads(line)
        for line in await shell.does("audit", "query", "--target", f"doc://{shop.collection}", "--tenant", "acme")
    ]
    assert [each.get("step") or each["kind"] for each in found] == ["ended", "outcome", "intent", "started"]
    by_run = await shell.does("audit", "query", "--request-id", found[0]["run"])
    assert [json.loads(line)["id"] for line in by_run] == [each["id"] for each in found]
    assert (await shell.does("audit", "verify"))[-1].endswith("intact")


async def test_a_run_that_fails_says_so_and_still_writes_its_report(
    shop: Workshop, shell: Shell, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    shop.put({"a.md": "# A\n", "b.md": "# B\n"})
    said = await shell.fails(*words(shop, "--report", str(report), "--most", "1"))
    assert said == "There are more than 1 files and folders. Ingest its folders one by one, or raise --most."
    assert json.loads(report.read_bytes())["outcome"] == "invalid"
    *_, ended = await shop.records()
    assert (ended["step"], ended["outcome"]) == ("ended", "invalid")
    assert await shop.shown() == {}


async def test_what_cannot_be_meant_is_refused_before_anything_is_done(shop: Workshop, shell: Shell) -> None:
    assert "SUITE_READ_ONLY" in await Shell(shell.env | {"SUITE_READ_ONLY": "true"}).fails(*words(shop))
    assert "no such folder" in await shell.fails(*words(shop, "--report", "/nowhere/report.json"))
    assert "--reader role:NAME" in await shell.fails(*words(shop, "--classification", "restricted"))
    assert "A label is a word" in await shell.fails(*words(shop, "--label", "!"))
    assert "must be one line" in await shell.fails(*words(shop, "--tenant", " "))
    assert (await shell.run(*words(shop, "--classification", "secret"))).exit_code == 2
