"""A fleet of the release before this one is upgraded and rolled back while clients of both eras work: nobody notices.

`docs/upgrade.md` promises it: the tables first, then one replica at a time; and back the same way.
"""

import os
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import servers
from compose.fleet.process import Process
from shared.state.revisions import SUITE_REVISIONS, newest_revision
from tests.e2e.drills.crowd import Crowd
from tests.e2e.drills.handover import Handover
from tests.e2e.drills.length import UPGRADE_CALLS, UPGRADE_CLIENTS, UPGRADE_PAUSE_S
from tests.e2e.drills.test_losing_replicas import everything_was_done_once_and_audited
from tests.e2e.fleet import Drill, open_drill
from tests.e2e.released import ROOT, code_of, is_of, migrate_by, previous

pytestmark = pytest.mark.anyio

NEVER_AGAIN = 0
"""How often these clients send a call again."""
WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "documents": ("put_document", {"content": "# Upgraded\n\nOnce.\n"}),
    "mail": ("draft_email", {"sender": "support", "subject": "Upgraded", "text": "Once."}),
    "tickets": ("create_ticket", {"type": "request", "title": "Upgraded", "queue": "support"}),
}


@pytest.fixture(scope="module")
async def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return code_of(previous(), tmp_path_factory.mktemp("released") / "code")


@pytest.fixture(scope="module")
async def old_fleet(old_code: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Drill]:
    """Two replicas of the release before this one, over the tables it made."""
    assert await is_of(old_code)
    async with open_drill(tmp_path_factory.mktemp("upgrade"), replicas=2, code=old_code) as opened:
        yield opened


class Upgrade:
    """What whoever upgrades does, and waits for: that each new replica has answered before the next one goes."""

    def __init__(self, drill: Drill, crowd: Crowd, old_code: Path) -> None:
        self._drill, self._crowd, self._old_code = drill, crowd, old_code
        self.steps: list[str] = []
        self._began = time.monotonic()

    async def run(self) -> None:
        await self._crowd.connected.wait()
        await self._revision("0007")
        await migrate_by(ROOT, self._drill.urls)
        await self._revision(newest_revision(SUITE_REVISIONS))
        await self._roll(1, ROOT)
        new, old = self._drill.replica(1), self._drill.replica(2)
        await Handover(self._drill, old, new).everything()
        await Handover(self._drill, new, old).everything()
        self._note("handed over, both ways")
        await self._roll(2, ROOT)
        for number in (1, 2):
            await self._roll(number, self._old_code)
        while self._crowd.tally.total < UPGRADE_CALLS:
            await anyio.sleep(0.05)
        self._crowd.enough.set()

    def _note(self, step: str) -> None:
        self.steps.append(f"{time.monotonic() - self._began:.1f} s {step}")

    async def _roll(self, number: int, code: Path) -> None:
        replica = self._drill.replica(number)
        assert await self._drill.drain(number) == 0
        replica.environment = {**replica.environment, "PYTHONPATH": str(code)}
        await self._drill.start(number)
        await self._answers(replica)
        self._note(f"{replica.replica} {'new' if code == ROOT else 'old'}")

    async def _answers(self, replica: Process) -> None:
        with anyio.fail_after(30):
            while not self._crowd.counted("replicas")[replica.replica]:
                await anyio.sleep(0.02)

    async def _revision(self, expected: str) -> None:
        assert await self._drill.sql("SELECT version_num FROM suite.revision") == [(expected,)]
        self._note(f"tables at {expected}")


async def test_an_upgrade_and_its_rollback_under_load_fail_no_call_of_clients_that_never_try_again(
    old_fleet: Drill, old_code: Path, show: Callable[..., None]
) -> None:
    drill = old_fleet
    crowd = Crowd(drill, "Upgraded", UPGRADE_CLIENTS, NEVER_AGAIN, UPGRADE_CALLS, UPGRADE_PAUSE_S)
    upgrade = Upgrade(drill, crowd, old_code)
    began = time.monotonic()
    with anyio.fail_after(300):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crowd.work)
            tasks.start_soon(upgrade.run)
    show(
        f"{previous().version} upgraded and rolled back amid {crowd.tally.total} calls of {UPGRADE_CLIENTS} clients in "
        f"{time.monotonic() - began:.0f} s: {len(crowd.tally.failed)} failed, "
        f"{crowd.counted('retried').total()} retried",
        f"{'; '.join(upgrade.steps)}",
        f"answers by life: {dict(sorted(crowd.counted('replicas').items()))}",
    )
    assert crowd.tally.failed == []
    assert crowd.counted("retried").total() == 0
    assert crowd.sessions == [1] * (UPGRADE_CLIENTS // 2)
    await everything_was_done_once_and_audited(drill, "Upgraded", crowd.tally)


@pytest.mark.skipif("SUITE_LONG" not in os.environ, reason="three servers, two releases: `make drills` runs it")
async def test_what_any_server_wrote_under_one_release_is_its_answer_under_the_other(
    old_code: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("servers")
    async with open_drill(folder, names=[*WRITES], replicas=1, code=old_code) as drill:
        await servers.seed(drill.urls.owner, {*WRITES})
        await migrate_by(ROOT, drill.urls)
        for name in WRITES:
            by_old = await written(drill, name, "upgraded-by-old")
            await run_by(drill, name, ROOT)
            assert await written(drill, name, "upgraded-by-old") == by_old
            by_new = await written(drill, name, "upgraded-by-new")
            await run_by(drill, name, old_code)
            assert await written(drill, name, "upgraded-by-new") == by_new
        assert (await drill.verify()).problems == []


async def written(drill: Drill, server: str, key: str) -> dict[str, Any]:
    """The answer to a write with that key."""
    tool, arguments = WRITES[server]
    about = {"uri": f"doc://sales/{key}"} if server == "documents" else {}
    wish = {**arguments, **about, "idempotency_key": key}
    answer = (await drill.ask(drill.replica(1, server), tool, wish, drill.token("admin", server))).json()["result"]
    assert answer["isError"] is False, answer
    return answer["structuredContent"]


async def run_by(drill: Drill, server: str, code: Path) -> None:
    """Have a release serve instead of the other one."""
    assert await drill.drain(1, server) == 0
    replica = drill.replica(1, server)
    replica.environment = {**replica.environment, "PYTHONPATH": str(code)}
    await drill.start(1, server)
