"""docs/write-a-policy.md: its commands say what it shows, and its policies come into force, are refused and go again
under a server that serves.
"""

import re
import shlex
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shared.ops.policy import app
from tests.docs.fences import ROOT, claimed
from tests.harness import Suite

pytestmark = pytest.mark.anyio

HOUSE = ROOT / "docs" / "examples" / "policies" / "house"
[SESSION] = claimed("docs/write-a-policy.md", 1)
VERSION = re.compile(r"(version|policies) [0-9a-f]{12}")
ARCHIVE = {"customer_id": "C-000042", "version": 1, "dry_run": False}


def parts() -> list[tuple[str, str]]:
    """Each command, and what it is shown to say."""
    found = [part.partition("\n") for part in SESSION.split("$ mcp-suite policy ")[1:]]
    return [(command, said) for command, _, said in found]


@pytest.mark.parametrize(("command", "said"), parts(), ids=lambda text: str(text)[:40])
def test_a_command_says_what_the_page_shows(command: str, said: str) -> None:
    done = CliRunner().invoke(app, shlex.split(command), env={"SUITE_POLICY_DIR": str(HOUSE)})
    assert (done.exit_code, VERSION.sub(r"\1 …", done.output)) == (0, said)


async def test_it_rolls_out_and_back_without_a_restart_and_what_is_spoilt_is_not_taken(
    own_suite: Callable[..., Awaitable[Suite]], tmp_path: Path
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    suite = await own_suite(policy_dir=folder)
    rules = suite.parts.policies["customers"]
    seen: list[Any] = []
    own, copied = HOUSE / "customers.more.cedar", folder / "customers.more.cedar"
    spoilt = own.read_text().replace("archive_customer", "archive_costumer")
    for text in ("", own.read_text(), spoilt, ""):
        copied.write_text(text)
        rules.look()  # as it does every two seconds
        answer = await suite.call("manager", "archive_customer", ARCHIVE, acr="aal1")
        seen.append(answer.get("error", {}).get("code"))
        if text == spoilt:
            assert any("archive_costumer" in problem for problem in rules.refused)
    assert seen == [None, "step_up", "step_up", "conflict"]
    assert rules.refused == []


async def test_a_sign_in_as_strong_and_as_fresh_as_was_asked_for_lets_the_call_go_on(
    own_suite: Callable[..., Awaitable[Suite]], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(HOUSE, tmp_path / "policies"))
    suite = await own_suite(policy_dir=folder)
    assert "error" not in await suite.call("manager", "archive_customer", ARCHIVE, acr="aal2")
    globex = await suite.call("outsider", "export_customers", {"country": "DE"})
    assert "code" not in globex["error"], "it is missing, and not refused"
    (record,) = await suite.records(target="export_customers", limit=1)
    assert record["outcome"] == "unknown_target"
