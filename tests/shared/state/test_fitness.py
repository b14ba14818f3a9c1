"""Code and tables of neighbouring releases go together; what does not says so at start, with the command to run."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import servers
from shared.core import releases
from shared.core.errors import Misconfigured
from shared.core.releases import Release, this_release
from shared.core.settings import Settings
from shared.ops.doctor_own import examine_own
from shared.state import fitness
from shared.state.database import connect
from shared.state.fitness import require_fitting
from shared.state.roles import Urls
from shared.state.services import migrate
from tests.harness import Databases

pytestmark = pytest.mark.anyio

EVERY = {server.name: server.migrations for server in servers.every() if server.migrations}
NOW = this_release().heads["suite"]
NEXT = f"{int(NOW) + 1:04}"


@pytest.fixture
async def urls(databases: Databases) -> Urls:
    return await databases.fresh()


@pytest.fixture
async def app(urls: Urls) -> AsyncGenerator[Any]:
    connection = await connect(urls.app, "test")
    yield connection
    await connection.close()


def another(version: str, after: Release | None) -> Release:
    return Release(version, date(2027, 1, 1), this_release().heads, this_release().servers, after=after)


@pytest.fixture
def be(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Be another release's code."""

    def become(release: Release) -> None:
        monkeypatch.setattr(fitness, "this_release", lambda: release)

    return become


async def test_migrating_says_whose_tables_these_are_and_whom_they_serve(urls: Urls, app: Any) -> None:
    await migrate(urls.owner, EVERY)
    row = await app.fetchrow("SELECT version, serves, heads::text FROM suite.release")
    assert (row["version"], row["serves"]) == ("0.2.0", "0.1.0")
    await require_fitting(app, this_release().heads)


async def test_a_replica_does_not_start_on_tables_older_than_its_own(app: Any) -> None:
    with pytest.raises(Misconfigured, match=rf"tables of suite are at revision {NOW}, 0.2.0 needs {NEXT}.*db migrate"):
        await require_fitting(app, {**this_release().heads, "suite": NEXT})
    with pytest.raises(Misconfigured, match=r"tables of fifth are not there.*db migrate"):
        await require_fitting(app, {"fifth": "0001"})


async def test_tables_of_the_next_release_serve_this_one_and_those_after_it_do_not(
    urls: Urls, app: Any, be: Any
) -> None:
    ours = this_release()
    be(following := another("0.3.0", ours))
    await migrate(urls.owner, EVERY)
    be(ours)
    await require_fitting(app, ours.heads)
    be(another("0.10.0", following))
    await migrate(urls.owner, EVERY)
    be(ours)
    with pytest.raises(Misconfigured, match=r"upgraded to 0\.10\.0, whose tables serve releases from 0\.3\.0 on"):
        await require_fitting(app, ours.heads)


async def test_an_older_release_that_migrates_leaves_a_newer_ones_tables_as_they_are(
    urls: Urls, app: Any, be: Any
) -> None:
    be(replace(another("0.3.0", this_release()), heads={**this_release().heads, "suite": NEXT}))
    owner = await connect(urls.owner, "test")
    await owner.execute("UPDATE suite.revision SET version_num = $1", NEXT)
    await owner.close()
    await migrate(urls.owner, EVERY)
    be(this_release())
    await migrate(urls.owner, EVERY)
    assert await app.fetchval("SELECT version FROM suite.release") == "0.3.0"


async def test_the_doctor_takes_the_next_releases_tables_for_what_they_are(urls: Urls, tmp_path: Path) -> None:
    owner = await connect(urls.owner, "test")
    await owner.execute("UPDATE suite.revision SET version_num = $1", NEXT)
    await owner.close()
    values: dict[str, Any] = {"database_url": urls.app, "data_dir": tmp_path}
    found = await examine_own(Settings(**values), urls, servers.load("customers"))
    assert [one.level for one in found if f"revision {NEXT} of a newer release" in one.text] == ["ok"]


def test_releases_compare_as_versions_do() -> None:
    assert releases.parts("0.10.0") > releases.parts("0.9.1")
