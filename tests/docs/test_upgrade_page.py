"""The commands of docs/upgrade.md and docs/back-up-and-restore.md, in their order, by somebody who does just that."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.state.embedded import EmbeddedPostgres
from shared.state.roles import Passwords, Urls, ensure_roles
from tests.docs.fences import claimed
from tests.harness import Databases
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio

UPGRADE = claimed("docs/upgrade.md", 1)
BACKUP, RESTORE = claimed("docs/back-up-and-restore.md", 2)


def shell(urls: Urls, folder: Path, admin_url: str) -> Shell:
    made = Shell.beside(urls, folder)
    made.env |= {"SUITE_DATABASE_OWNER_URL": urls.owner, "SUITE_DATABASE_READER_URL": urls.reader}
    made.env |= {"SUITE_DATABASE_ADMIN_URL": admin_url}
    return made


async def type_in(shell: Shell, block: str) -> str:
    """All that was said to the commands of a block."""
    said: list[str] = []
    for line in block.splitlines():
        program, *words = line.split()
        assert program == ".venv/bin/mcp-suite"
        said += await shell.does(*words)
    return "\n".join(said)


async def test_the_steps_of_the_pages_are_ones_that_can_be_taken(
    databases: Databases,
    postgres: EmbeddedPostgres,
    role_passwords: Passwords,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep_logs(monkeypatch)
    monkeypatch.chdir(tmp_path)
    urls = await databases.fresh()
    there = shell(urls, tmp_path / "data", postgres.admin_url)
    (block,) = UPGRADE
    said = await type_in(there, block)
    assert "Every schema is at its newest revision." in said
    assert "intact" in said
    assert "rows of" in (told := await type_in(there, BACKUP))
    assert "SUITE_AUDIT_KEYS" in told
    assert "stop every replica" not in told

    empty = await ensure_roles(postgres.admin_url, role_passwords, f"{urlsplit(urls.app).path[1:]}_again")
    elsewhere = shell(empty, tmp_path / "data", postgres.admin_url)
    said = await type_in(elsewhere, RESTORE)
    assert "are as they were; the audit is intact" in said
    assert "already has" in await elsewhere.fails(*RESTORE.splitlines()[0].split()[1:])
