"""The official conformance suite, scenario by scenario, against the customers server in the running application."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.node import npm
from tests.conformance import referee
from tests.conformance.referee import Target
from tests.conformance.scenarios import FOLDER, Era, disagreements, load
from tests.harness import Suite

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("official_suite")]

ERAS = load()
RUN = [pytest.param(era, scenario, id=f"{era.name}-{scenario}") for era in ERAS for scenario in [*era.run, *era.idle]]


@pytest.fixture(scope="module")
def official_suite() -> None:
    npm.installed(FOLDER)


@pytest.fixture
def target(suite: Suite, tmp_path: Path) -> Target:
    return Target(suite.url(), suite.token("admin"), tmp_path)


async def test_every_scenario_the_suite_knows_is_run_or_left_out_with_a_reason() -> None:
    assert disagreements(ERAS, await referee.known()) == []


@pytest.mark.parametrize(("era", "scenario"), RUN)
async def test_the_scenario_finds_what_it_should(era: Era, scenario: str, target: Target) -> None:
    verdict = await referee.judge_one(era, scenario, target)
    assert verdict.problems == []
    assert verdict.outcome == ("idle" if scenario in era.idle else "ok")


@pytest.mark.parametrize("scenario", ["ping", "dns-rebinding-protection"])
async def test_a_server_that_answers_401_to_everything_is_not_green(scenario: str, target: Target) -> None:
    refused = replace(target, token="nobody's")
    assert (await referee.judge_one(ERAS[0], scenario, refused)).outcome == "red"
