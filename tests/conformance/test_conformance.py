"""The official conformance suite, scenario by scenario, against the customers server in the running application, and
against one that has the names it calls.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.node import npm
from tests.conformance import everything, referee
from tests.conformance.referee import Target
from tests.conformance.scenarios import FOLDER, Era, disagreements, load
from tests.harness import Databases, Suite, open_suite

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("official_suite")]

ERAS = load()
EVERYTHING = [pytest.param(era, scenario, id=f"{era.name}-{scenario}") for era in ERAS for scenario in era.everything]
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


@pytest.fixture(scope="module")
async def suite_with_its_names(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    folder = tmp_path_factory.mktemp("everything")
    async with open_suite(await databases.fresh(), folder, served=[everything.server]) as opened:
        yield opened


@pytest.mark.parametrize(("era", "scenario"), EVERYTHING)
async def test_the_scenario_finds_what_it_should_where_it_finds_its_names(
    era: Era, scenario: str, suite_with_its_names: Suite, tmp_path: Path
) -> None:
    verdict = await referee.judge_everything(era, scenario, everything.target(suite_with_its_names, tmp_path))
    assert (verdict.problems, verdict.outcome) == ([], "ok")


@pytest.mark.parametrize("scenario", ["ping", "dns-rebinding-protection"])
async def test_a_server_that_answers_401_to_everything_is_not_green(scenario: str, target: Target) -> None:
    refused = replace(target, token="nobody's")
    assert (await referee.judge_one(ERAS[0], scenario, refused)).outcome == "red"
