"""Whoever asked for a job, and nobody else, looks it up, cancels it and reads it, for as long as it is kept."""

from datetime import timedelta

import anyio
import asyncpg
import pytest
from sqlalchemy import func, select

from shared.core.errors import NotFound, RateLimited
from shared.core.jobs import UNFINISHED_MAX
from shared.core.work import Working
from shared.state.database import Statement
from shared.state.jobs.book import job_uri
from tests.shared.state.jobs.counting import Bench, pace

pytestmark = pytest.mark.anyio

MISSING = "J-" + 26 * "0"
LONG = Statement(select(func.pg_sleep(8)))


async def test_for_anybody_else_it_is_not_there(bench: Bench) -> None:
    job_id = await bench.begin()
    await bench.step()
    others = (bench.jobs("bob"), bench.jobs(tenant="globex"), bench.jobs(issuer="https://other.example"))
    for other in others:
        told: list[list[str]] = []
        for one in (job_id, MISSING):
            with pytest.raises(NotFound) as looked_up:
                await other.find(one)
            with pytest.raises(NotFound) as read:
                await other.part(one, 1)
            told.append([str(failure.value).replace(one, "ID") for failure in (looked_up, read)])
        assert told[0] == told[1]
    for subject, tenant in (("bob", "acme"), ("ada", "globex")):
        with pytest.raises(NotFound):
            await bench.cancel(job_id, subject, tenant)
    assert (await bench.find(job_id)).state == "done"


async def test_a_caller_has_few_at_a_time_also_when_asked_at_once(bench: Bench) -> None:
    ends: list[str] = []

    async def ask(subject: str) -> None:
        try:
            await bench.begin(subject=subject)
            ends.append(subject)
        except RateLimited as failure:
            ends.append("refused" if failure.retry_after_s > 0 else "never again")

    async with anyio.create_task_group() as tasks:
        for subject in ("ada", "ada", "ada", "ada", "ada", "bob"):
            tasks.start_soon(ask, subject)
    assert sorted(ends) == ["ada"] * UNFINISHED_MAX + ["bob"] + ["refused"] * 2
    assert await bench.step()
    await ask("ada")
    assert ends[-1] == "ada"


async def test_one_that_waits_is_cancelled_and_never_runs(bench: Bench) -> None:
    job_id = await bench.begin()
    assert (await bench.cancel(job_id)).state == "cancelled"
    assert not await bench.step()
    job = await bench.find(job_id)
    assert (job.state, job.parts, job.finished_at is not None) == ("cancelled", [], True)
    assert bench.told == [job_uri(job_id)]


@pytest.mark.parametrize("where", ["between two parts", "in a long statement"])
async def test_one_that_runs_is_stopped_wherever_it_is_and_keeps_nothing(bench: Bench, where: str) -> None:
    job_id, reached, stopped = await bench.begin(), anyio.Event(), anyio.Event()

    async def before(work: Working) -> None:
        if work.parts < 2:
            return
        reached.set()
        try:
            if where == "in a long statement":
                await work.reads.rows(LONG)
            else:
                await anyio.sleep_forever()
        finally:
            stopped.set()

    pace.before = before
    async with bench.working():
        with anyio.fail_after(10):
            await reached.wait()
            assert (await bench.cancel(job_id)).state == "cancelled"
        with anyio.fail_after(4):  # before the statement would end by itself
            await stopped.wait()
        pace.before = None
        again = await bench.begin()
        await bench.until(again, "done")
    assert (await bench.find(job_id)).state == "cancelled"
    assert await bench.sql("SELECT part FROM suite.job_parts WHERE job_id = $1", job_id) == []
    assert pace.made == [1, 11, 1, 11, 21, 31, 41]


async def test_one_that_has_ended_stays_as_it_is(bench: Bench) -> None:
    job_id = await bench.begin()
    await bench.step()
    assert (await bench.cancel(job_id)).state == "done"
    assert len(await bench.numbers(job_id)) == 50


async def test_after_a_day_the_parts_are_gone_and_after_a_week_the_job_is(bench: Bench) -> None:
    job_id = await bench.begin()
    await bench.step()
    job = await bench.find(job_id)
    assert job.expires_at is not None
    assert job.finished_at is not None
    assert timedelta(hours=23) < job.expires_at - job.finished_at <= timedelta(hours=24)
    assert not await bench.step()
    await bench.sql("UPDATE suite.jobs SET expires_at = now()")
    assert (await bench.find(job_id)).state == "expired"
    with pytest.raises(NotFound):
        await bench.jobs().part(job_id, 1)
    await bench.overdue()
    assert await bench.step()
    assert await bench.sql("SELECT part FROM suite.job_parts") == []
    assert ((await bench.find(job_id)).state, (await bench.find(job_id)).parts) == ("expired", [])
    [row] = await bench.sql("SELECT task, due_at > now() + interval '6 days' AS later FROM suite.job_queue")
    assert tuple(row) == ("erase", True)
    await bench.overdue()
    assert await bench.step()
    with pytest.raises(NotFound):
        await bench.find(job_id)
    assert await bench.sql("SELECT job_id FROM suite.job_queue") == []


async def test_the_queue_holds_no_personal_data(bench: Bench) -> None:
    await bench.begin(subject="ada@example.com")
    [row] = await bench.sql("SELECT * FROM suite.job_queue")
    assert set(row.keys()) == {"tenant_id", "job_id", "server", "task", "due_at", "attempts", "lease"}
    assert "ada@" not in str(tuple(row))


async def test_ids_cannot_be_guessed(bench: Bench) -> None:
    ids = {await bench.begin(subject=f"caller-{number}") for number in range(20)}
    assert len(ids) == 20
    assert {len(job_id) for job_id in ids} == {2 + 26}, "26 characters of 5 bits: 130"
    assert len({character for job_id in ids for character in job_id[2:]}) == 32


@pytest.mark.parametrize("table", ["jobs", "job_parts"])
async def test_no_tenant_sees_or_writes_another_ones(bench: Bench, table: str) -> None:
    for tenant in ("acme", "globex"):
        await bench.begin(tenant=tenant)
    while await bench.step():
        pass
    for tenant in ("acme", "globex"):
        rows = await bench.sql(f"SELECT DISTINCT tenant_id FROM suite.{table}", tenant=tenant)
        assert [row[0] for row in rows] == [tenant]
    assert await bench.sql(f"SELECT 1 FROM suite.{table}", tenant="") == []
    columns = (
        "id, server, tool, issuer, subject, client, rights, arguments" if table == "jobs" else "job_id, part, rows"
    )
    moved = f"INSERT INTO suite.{table} (tenant_id, {columns}) SELECT 'globex', {columns} FROM suite.{table}"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await bench.sql(moved)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await bench.sql(f"UPDATE suite.{table} SET tenant_id = 'globex'")
