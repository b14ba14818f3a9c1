"""The page on information flow: what it shows callers are told they are told, and its policies do what it says."""

import json
import re
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from shared.core.settings import Settings
from shared.steps.policy.rules import SUITE
from tests.docs.fences import claimed
from tests.harness import Databases
from tests.outward.house import House, open_house

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "information-flow.md").read_text("utf-8")
POLICIES = ROOT / "docs" / "examples" / "policies"
STORY, TOLD = claimed("docs/information-flow.md", 2)
STATEMENT = re.compile(r'^@id\("suite-exfiltration"\).*?;$', re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
async def house(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[House]:
    """One with all policies of the page."""
    folder = tmp_path_factory.mktemp("policies")
    shutil.copy(POLICIES / "suite.more.cedar", folder)
    ours, replaced = STATEMENT.subn((POLICIES / "own-house.cedar").read_text(), SUITE.read_text())
    assert replaced == 1
    (folder / "suite.cedar").write_text(ours)
    async with open_house(databases, tmp_path_factory.mktemp("data"), policy_dir=folder) as opened:
        yield opened


def code(answer: dict[str, str]) -> str:
    return answer.get("code", answer.get("text", ""))


async def test_a_call_that_is_stopped_is_told_what_the_page_shows(databases: Databases, tmp_path: Path) -> None:
    async with open_house(databases, tmp_path) as as_shipped:
        jane = as_shipped.person()
        await jane.read("read_page", "read_plan")
        told = await jane.send()
        read = await jane.record("read_plan")
    assert re.fullmatch("req_[0-9a-f]{16}", told["reference"])
    shown = json.loads(TOLD)
    base_url, details = as_shipped.suites[0].settings.base_url, told["details"]
    text = json.dumps({**told, "reference": shown["reference"]}).replace(base_url, "http://127.0.0.1:8080")
    for name in ("approval_id", "created_at", "expires_at"):
        text = text.replace(details[name], shown["details"][name])
    assert json.loads(text) == shown
    assert read["labels"] == ["confidential"]


async def test_the_story_of_the_page_goes_as_it_is_drawn(house: House) -> None:
    jane, reached = house.person(), set[str]()
    for tool, what, became in (re.split(r"\s{2,}", line) for line in STORY.splitlines()):
        if tool != "send_out":
            await jane.read(tool)
            reached |= {*(await jane.record(tool))["labels"]}
            assert {*became.removeprefix("→ ").split(", ")} == reached
        else:
            told = await jane.send(recipient=what.removeprefix("to "))
            assert became == f"✗ {told['code']}"
            assert {*(await jane.record())["seen"]} == reached


async def test_the_stricter_policy_of_the_page_keeps_personal_data_in_too(house: House) -> None:
    jane = house.person()
    await jane.read("read_person")
    assert code(await jane.send()) == "sent"
    await jane.read("read_page")
    told = await jane.send()
    assert code(told) == "needs_approval"
    assert "personal data" in told["message"]


async def test_the_looser_policy_of_the_page_lets_mail_to_ones_own_domain_go(house: House) -> None:
    jane = house.person()
    await jane.read("read_page", "read_plan")
    assert code(await jane.send(recipient="joe@acme.example")) == "sent"
    for recipient in ("thief@evil.example", "joe@acme.example.evil.example", "joe@sub.acme.example", "joe@localhost"):
        assert code(await jane.send(recipient=recipient)) == "needs_approval"
    assert code(await jane.call("look_up", domain="acme.example", words="hello")) == "needs_approval"


def test_the_window_is_as_long_as_the_page_says() -> None:
    assert f"in seconds; {Settings.model_fields['flow_window_s'].default} unless" in PAGE
