"""`mcp-suite audit prune`: says what would go, puts on record that it goes, and can be killed amid."""

import base64
import json
import os
import signal
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import anyio
import pytest

from shared.state.roles import Urls
from shared.steps.audit.checkpoints import signed
from tests.harness import Databases
from tests.pgbouncer import straight
from tests.processes import COMMAND
from tests.shared.steps.audit.aged import RING, Aged
from tests.shared.steps.test_audit import admin
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'mcp-suite prune' AND wait_event_type = 'Lock' AND datname = current_database()
"""


@pytest.fixture(scope="module")
async def urls(databases: Databases) -> Urls:
    made = await databases.fresh()
    return Urls(*map(straight, (made.owner, made.app, made.reader, made.operator, made.console)))


@pytest.fixture
async def aged(databases: Databases, urls: Urls) -> AsyncGenerator[Aged]:
    """In an audit that is empty."""
    connection = await admin(databases, urls)
    await connection.execute("TRUNCATE suite.audit, suite.audit_chain, suite.audit_pruned")
    yield Aged(connection)
    await connection.close()


@pytest.fixture
async def chains(aged: Aged) -> list[UUID]:
    """An old one, and one of which the half is old."""
    return [await aged.chain([90, 80, 70]), await aged.chain([60, 50, 20, 10])]


@pytest.fixture
def shell(urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    keep_logs(monkeypatch)
    made = Shell.beside(urls, tmp_path)
    made.env |= {"SUITE_DATABASE_OWNER_URL": urls.owner, "SUITE_DATABASE_READER_URL": urls.reader}
    made.env["SUITE_AUDIT_KEYS"] = base64.b64encode(b"a" * 32).decode()
    return made


async def test_a_dry_run_says_what_would_go_and_changes_nothing(aged: Aged, chains: list[UUID], shell: Shell) -> None:
    old, half = chains
    said = await shell.does("audit", "prune", "--older-than", "31", "--dry-run")
    assert [line.partition(", up to")[0] for line in said[:2]] == [f"{old}: 0 to 2", f"{half}: 0 to 1"]
    assert said[0].endswith("the whole chain")
    assert ": 5 records of 2 chains, 20" in said[2]
    assert len(said) == 3
    assert [await aged.left(chain) for chain in chains] == [[0, 1, 2], [0, 1, 2, 3]]
    assert await aged.connection.fetchval("SELECT count(*) FROM suite.audit_chain") == 2


async def test_what_goes_is_on_record_before_and_verify_counts_it(aged: Aged, chains: list[UUID], shell: Shell) -> None:
    said = await shell.does("audit", "prune", "--older-than", "31", "--why", "five years are over")
    assert said[-1] == "5 records were removed"
    assert [await aged.left(chain) for chain in chains] == [[], [2, 3]]
    (record,) = [
        json.loads(row["body"])
        for row in await aged.connection.fetch("SELECT body FROM suite.audit WHERE kind = 'prune'")
    ]
    assert record["chains"] == {str(chains[0]): 2, str(chains[1]): 1}
    assert (record["records"], record["why"], record["outcome"]) == (5, "five years are over", "ok")
    assert record["actor"]
    verified = await shell.does("audit", "verify")
    assert verified[1:] == [
        "5 records of 2 chains were pruned, as signed statements say",
        "4 records in 2 chains: intact",
    ]


async def test_nothing_is_removed_where_it_cannot_be_put_on_record(
    aged: Aged, chains: list[UUID], shell: Shell
) -> None:
    await aged.connection.execute("REVOKE INSERT ON suite.audit FROM suite_app")
    ended = await shell.run("audit", "prune", "--older-than", "31")
    await aged.connection.execute("GRANT INSERT ON suite.audit TO suite_app")
    assert ended.exit_code == 1
    assert [await aged.left(chain) for chain in chains] == [[0, 1, 2], [0, 1, 2, 3]]


async def test_nothing_old_opens_no_chain(aged: Aged, chains: list[UUID], shell: Shell) -> None:
    (said,) = await shell.does("audit", "prune", "--older-than", "100")
    assert said.endswith("nothing to remove")
    assert await aged.connection.fetchval("SELECT count(*) FROM suite.audit_chain") == len(chains)


async def test_the_period_comes_from_the_settings_and_cannot_be_shortened(
    aged: Aged, chains: list[UUID], shell: Shell
) -> None:
    assert "for ever" in await shell.fails("audit", "prune")
    shell.env["SUITE_AUDIT_KEPT_DAYS"] = "55"
    assert "SUITE_AUDIT_KEPT_DAYS is 55" in await shell.fails("audit", "prune", "--older-than", "40")
    await shell.does("audit", "prune")
    assert [await aged.left(chain) for chain in chains] == [[], [1, 2, 3]]


@pytest.mark.parametrize("days", ["0", "-31", "3", "29"])
async def test_a_typo_cannot_empty_the_audit(chains: list[UUID], aged: Aged, shell: Shell, days: str) -> None:
    assert (await shell.run("audit", "prune", "--older-than", days)).exit_code == 2
    shell.env["SUITE_AUDIT_KEPT_DAYS"] = days
    assert (await shell.run("audit", "prune")).exit_code == 1
    assert await aged.left(chains[0]) == [0, 1, 2]


async def test_records_of_a_tenant_on_hold_stay_and_a_misspelt_one_is_refused(
    aged: Aged, chains: list[UUID], shell: Shell
) -> None:
    shell.env["SUITE_AUDIT_HELD"] = "acmee"
    assert "no record is of a tenant acmee" in await shell.fails("audit", "prune", "--older-than", "31")
    shell.env["SUITE_AUDIT_HELD"] = "acme"
    assert "held: acme" in await shell.does("audit", "prune", "--older-than", "31")
    assert [await aged.left(chain) for chain in chains] == [[1, 2], [1, 2, 3]]


async def test_what_does_not_fit_is_named_and_the_rest_goes(aged: Aged, chains: list[UUID], shell: Shell) -> None:
    await aged.connection.execute("UPDATE suite.audit SET subject = 'eve' WHERE chain = $1 AND seq = 1", chains[0])
    for words in (["--dry-run"], []):
        ended = await shell.run("audit", "prune", "--older-than", "31", *words)
        assert ended.exit_code == 1
        assert f"left as it is: {chains[0]}/1" in ended.output
    assert [await aged.left(chain) for chain in chains] == [[0, 1, 2], [2, 3]]


async def test_it_looks_at_checkpoints_as_verify_does(
    aged: Aged, chains: list[UUID], shell: Shell, tmp_path: Path
) -> None:
    last = aged.last
    assert last is not None
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "one.json").write_text(json.dumps(signed(last, RING)))
    ended = await shell.run("audit", "prune", "--older-than", "31", "--checkpoints", str(folder))
    assert ended.exit_code == 0, ended.output
    assert (await shell.does("audit", "verify", "--checkpoints", str(folder)))[-1].endswith("intact")
    assert "nothing of that name" in await shell.fails("audit", "prune", "--older-than", "31", "--checkpoints", "x")


async def test_who_asks_for_what_was_pruned_is_told(chains: list[UUID], shell: Shell) -> None:
    await shell.does("audit", "prune", "--older-than", "31")
    told = await shell.run("audit", "query", "--tenant", "acme")
    assert "were pruned: of that time not all is here" in told.stderr
    assert all(json.loads(line) for line in told.stdout.splitlines())
    told = await shell.run("audit", "query", "--since", "2100-01-01")
    assert "pruned" not in told.stderr


async def test_it_says_which_right_is_lacking(chains: list[UUID], urls: Urls, shell: Shell) -> None:
    shell.env["SUITE_DATABASE_OWNER_URL"] = urls.reader
    assert "may not prune" in await shell.fails("audit", "prune", "--older-than", "31")
    shell.env["SUITE_DATABASE_OWNER_URL"] = None
    assert "SUITE_DATABASE_OWNER_URL is needed" in await shell.fails("audit", "prune", "--older-than", "31")
    shell.env["SUITE_READ_ONLY"] = "true"
    assert "SUITE_READ_ONLY" in await shell.fails("audit", "prune", "--older-than", "31")


async def test_killed_amid_it_leaves_an_audit_that_verifies_and_goes_on_when_it_is_repeated(
    aged: Aged, chains: list[UUID], shell: Shell, databases: Databases, urls: Urls
) -> None:
    holding = await admin(databases, urls)
    held = holding.transaction()
    await held.start()
    await holding.execute("SELECT FROM suite.audit WHERE chain = $1 AND seq = 1 FOR UPDATE", chains[1])
    environment = {**os.environ, **{name: value for name, value in shell.env.items() if value}}
    with subprocess.Popen([COMMAND, "audit", "prune", "--older-than", "31"], env=environment) as running:  # noqa: ASYNC220 - starting is quick
        try:
            with anyio.fail_after(60):
                while not await aged.connection.fetchval(WAITING):
                    await anyio.sleep(0.02)
        finally:
            running.send_signal(signal.SIGKILL)
    assert [await aged.left(chain) for chain in chains] == [[], [0, 1, 2, 3]]
    await held.rollback()
    await holding.close()
    assert (await shell.does("audit", "verify"))[-1].endswith("intact")
    with anyio.fail_after(30):  # until PostgreSQL noticed that nobody is there any more
        while (await shell.run("audit", "prune", "--older-than", "31")).exit_code:
            await anyio.sleep(0.1)
    assert await aged.left(chains[1]) == [2, 3]
    assert (await shell.does("audit", "verify"))[-1].endswith("intact")
