"""docs/audit-retention.md: its commands prune, what it says is found is found so, and its role can do that alone."""

import base64
import re
import shlex
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.state.database import connect
from shared.state.roles import Urls
from tests.docs.fences import ROOT, claimed, fences
from tests.docs.talks import rows
from tests.harness import Databases
from tests.pgbouncer import straight
from tests.shared.steps.audit.aged import Aged
from tests.shared.steps.audit.test_pruned import ATTACKS
from tests.shared.steps.test_audit import admin
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio

PAGE = ROOT / "docs" / "audit-retention.md"
COMMANDS = [line for fence in fences(PAGE) if fence.language == "sh" for line in fence.text.splitlines()]
(ROLE,) = claimed("docs/audit-retention.md", 1)


@pytest.fixture(scope="module")
async def urls(databases: Databases) -> Urls:
    made = await databases.fresh()
    return Urls(*map(straight, (made.owner, made.app, made.reader, made.operator, made.console)))


@pytest.fixture
async def aged(databases: Databases, urls: Urls) -> AsyncGenerator[Aged]:
    connection = await admin(databases, urls)
    await connection.execute("TRUNCATE suite.audit, suite.audit_chain, suite.audit_pruned")
    yield Aged(connection)
    await connection.close()


@pytest.fixture
async def chains(aged: Aged) -> list[UUID]:
    """One that is over a year old, and one of which the half is."""
    return [await aged.chain([500, 450]), await aged.chain([440, 430, 20, 10])]


@pytest.fixture
def shell(urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    keep_logs(monkeypatch)
    made = Shell.beside(urls, tmp_path)
    made.env |= {"SUITE_DATABASE_OWNER_URL": urls.owner, "SUITE_DATABASE_READER_URL": urls.reader}
    made.env["SUITE_AUDIT_KEYS"] = base64.b64encode(b"a" * 32).decode()
    return made


async def test_the_commands_say_what_would_go_remove_it_and_count_it(
    aged: Aged, chains: list[UUID], shell: Shell
) -> None:
    would, went, verified = [await shell.does(*shlex.split(command)[1:]) for command in COMMANDS]
    assert would == went[:-1]
    assert went[-1] == "4 records were removed"
    assert verified[-2].startswith("4 records of 2 chains were pruned")
    assert verified[-1].endswith("intact")
    assert [await aged.left(chain) for chain in chains] == [[], [2, 3]]


def test_what_the_page_says_is_found_is_what_verify_says() -> None:
    said = [one for row in rows(PAGE.read_text("utf-8"), "## What is left of what went") for one in row]
    found = {words for cell in said[1::2] for words in re.findall(r"`([^`]+)`", cell)}
    assert len(found) > 6
    assert all(any(words in told for _, told in ATTACKS) for words in found), found


async def test_the_role_of_the_page_may_prune_and_change_nothing_otherwise(
    aged: Aged, chains: list[UUID], shell: Shell, urls: Urls
) -> None:
    parts, role = urlsplit(urls.owner), f"suite_pruner_{uuid4().hex[:8]}"
    url = parts._replace(netloc=f"{role}:long-enough@{parts.netloc.rpartition('@')[2]}").geturl()
    made = ROLE.replace("suite_pruner", role).replace("…", "long-enough")
    await aged.connection.execute(made.replace("DATABASE suite", f"DATABASE {parts.path[1:]}"))
    try:
        shell.env["SUITE_DATABASE_OWNER_URL"] = url
        assert (await shell.does(*shlex.split(COMMANDS[1])[1:]))[-1] == "4 records were removed"
        assert [await aged.left(chain) for chain in chains] == [[], [2, 3]]
        connection = await connect(url, "test")
        for sql in (
            "DELETE FROM suite.audit",
            "DELETE FROM suite.audit_pruned",
            "UPDATE suite.audit_pruned SET seq = 1",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)
        await connection.close()
    finally:
        await aged.connection.execute(f"DROP OWNED BY {role}")
        await aged.connection.execute(f"DROP ROLE {role}")
