"""Scenarios of the official suite that need more than one request, or a stream, behind the balancer.

`make conformance ARGS=--balanced` runs all of them there.
"""

from pathlib import Path

import pytest

from tests.clients.node import npm
from tests.conformance import balanced, referee
from tests.conformance.scenarios import FOLDER, load
from tests.e2e.balanced.talk import ANY, talking
from tests.e2e.fleet import Drill

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("official_suite")]

ERAS = {era.name: era for era in load()}
CHOSEN = [
    ("2025-11-25", "tools-call-with-progress"),
    ("2025-11-25", "tools-call-elicitation"),
    ("2025-11-25", "server-sse-polling"),
    ("2025-11-25", "resources-subscribe"),
    ("2026-07-28", "server-stateless"),
    ("2026-07-28", "tools-call-with-progress"),
    ("2026-07-28", "input-required-result-multi-round"),
    ("2026-07-28", "input-required-result-tampered-state"),
]


@pytest.fixture(scope="module")
def official_suite() -> None:
    npm.installed(FOLDER)


@pytest.mark.parametrize(("era", "scenario"), CHOSEN)
async def test_the_scenario_passes_as_it_does_without_a_balancer(
    drill: Drill, era: str, scenario: str, tmp_path: Path
) -> None:
    assert scenario in ERAS[era].everything
    verdict = await referee.judge_everything(ERAS[era], scenario, balanced.everything(drill, tmp_path))
    assert (verdict.problems, verdict.outcome) == ([], "ok")


@pytest.mark.parametrize(("name", "status"), [("Host", 421), ("Origin", 403)])
async def test_a_foreign_host_or_origin_is_refused_at_every_replica(drill: Drill, name: str, status: int) -> None:
    """What the scenario `dns-rebinding-protection` asks for, which cannot speak TLS to a foreign name."""
    async with talking(drill) as talk:
        client = talk.client
        await client.initialize()
        foreign = {name: "evil.example.com" if name == "Host" else "https://evil.example.com"}
        asked: set[int] = set()
        for _ in range(15):  # a late request of an earlier test may take a turn of the balancer's
            assert (await client.post(ANY, client.tool("echo"), **foreign)).status_code == status
            asked.add(talk.answered[-1].number)
            if asked == {1, 2, 3}:
                break
        assert asked == {1, 2, 3}
        own = {"Origin": drill.fleet.plan.base_url}
        assert (await client.post(ANY, client.tool("echo"), **own)).status_code == 200
