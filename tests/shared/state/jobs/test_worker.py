"""Workers: a job is done once, whatever becomes of those who do it."""

import anyio
import pytest

from shared.core.errors import Conflict, NotFound, Unavailable
from shared.core.work import LeaseLost, Working
from shared.state.jobs import lease, worker
from shared.state.jobs.attempt import Attempt
from shared.state.jobs.book import job_uri
from shared.state.jobs.lease import Taken
from tests.shared.state.jobs.counting import Bench, pace

pytestmark = pytest.mark.anyio

ALL = [*range(1, 51)]
STARTS = [1, 11, 21, 31, 41]


async def taken_by(bench: Bench) -> Taken:
    taken = await bench.worker().take()
    assert taken is not None
    return taken


async def attempt_of(bench: Bench, taken: Taken) -> Attempt:
    [job] = await bench.sql("SELECT * FROM suite.jobs WHERE id = $1", taken.job_id)

    async def tell() -> None: ...

    return Attempt(taken, job, tell)


def failing(error: Exception, after: int) -> None:
    """Have each attempt fail once it made so many parts."""
    begun: list[tuple[Working, int]] = []

    async def before(work: Working) -> None:
        if not begun or begun[-1][0] is not work:
            begun.append((work, len(pace.made)))
        if len(pace.made) - begun[-1][1] >= after:
            raise error

    pace.before = before


async def test_a_job_waits_runs_and_is_read_part_by_part(bench: Bench) -> None:
    job_id = await bench.begin()
    waiting = await bench.find(job_id)
    assert (waiting.state, waiting.done, waiting.progress, waiting.parts) == ("queued", 0, 0, [])
    seen: list[tuple[str, int, float, str]] = []

    async def before(work: Working) -> None:
        job = await bench.find(job_id)
        seen.append((job.state, job.done, job.progress, job.message))
        with pytest.raises(NotFound):
            await bench.jobs().part(job_id, 1)

    pace.before = before
    assert await bench.step()
    assert seen == [("running", done, done / 50, f"{done} of 50") for done in range(0, 50, 10)]
    job = await bench.find(job_id)
    assert (job.state, job.done, job.expected, job.progress) == ("done", 50, 50, 1)
    assert job.parts == [f"numbers://{job_id}/{part}" for part in range(1, 6)]
    assert await bench.numbers(job_id) == ALL
    assert not await bench.step()


async def test_followers_are_told_that_it_began_went_on_and_ended(bench: Bench) -> None:
    job_id = await bench.begin()
    await bench.step()
    assert bench.told == [job_uri(job_id)] * 3, "of the parts made within a second the first alone"


async def test_several_workers_never_take_the_same_job(bench: Bench) -> None:
    jobs = {await bench.begin(subject=f"caller-{number}") for number in range(6)}
    taken: list[str] = []

    async def work() -> None:
        while (found := await bench.worker().take()) is not None:
            taken.append(found.job_id)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(work)
    assert (sorted(taken), len(taken)) == (sorted(jobs), 6)


async def test_after_a_crash_it_goes_on_from_the_last_part_that_was_kept(bench: Bench) -> None:
    job_id = await bench.begin()
    failing(Unavailable("gone"), after=3)
    assert await bench.step()
    assert ((await bench.find(job_id)).state, (await bench.find(job_id)).done) == ("running", 30)
    await bench.overdue()
    assert await bench.step()
    assert (await bench.find(job_id)).state == "done"
    assert pace.made == STARTS
    assert await bench.numbers(job_id) == ALL


async def test_attempts_that_get_further_are_not_counted(bench: Bench) -> None:
    job_id = await bench.begin()
    failing(Unavailable("gone"), after=1)
    for _ in range(5):
        assert (await bench.find(job_id)).state != "failed"
        assert await bench.step()
        await bench.overdue()
    assert (await bench.find(job_id)).state == "done"
    assert pace.made == STARTS


async def test_beginning_anew_is_not_getting_further(bench: Bench) -> None:
    pace.restarting = True
    job_id = await bench.begin()
    failing(Unavailable("The mill is away."), after=2)
    attempts = 0
    while (await bench.find(job_id)).state != "failed":
        assert await bench.step()
        await bench.overdue()
        attempts += 1
    assert attempts == 1 + worker.ATTEMPTS_MAX, "the first got further than any before it"
    job = await bench.find(job_id)
    assert job.failure is not None
    assert (job.failure.code, job.failure.message, job.parts) == ("unavailable", "The mill is away.", [])
    assert await bench.sql("SELECT part FROM suite.job_parts") == []


async def test_a_job_that_kills_its_workers_fails_in_the_end(bench: Bench) -> None:
    job_id = await bench.begin()
    for _ in range(worker.ATTEMPTS_MAX):
        await taken_by(bench)
        await bench.overdue()
    assert await bench.step()
    job = await bench.find(job_id)
    assert job.failure is not None
    assert (job.state, job.failure.code) == ("failed", "worker_lost")
    assert not await bench.step()


async def test_what_a_repetition_cannot_mend_fails_at_once(bench: Bench) -> None:
    job_id = await bench.begin()
    failing(Conflict("It is closed. Open it first."), after=0)
    assert await bench.step()
    job = await bench.find(job_id)
    assert job.failure is not None
    assert (job.state, job.failure.code, job.failure.message) == ("failed", "conflict", "It is closed. Open it first.")


async def test_the_text_of_a_crash_is_nobodys_business(bench: Bench) -> None:
    job_id = await bench.begin()
    failing(KeyError("secret"), after=0)
    while (await bench.find(job_id)).state != "failed":
        assert await bench.step()
        await bench.overdue()
    job = await bench.find(job_id)
    assert job.failure is not None
    assert job.failure.code == "internal"
    assert "secret" not in job.model_dump_json()


async def test_a_worker_that_was_paused_and_lost_its_lease_writes_nothing_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT_S", 1000)  # a paused process does not look at its lease either
    job_id, held, paused = await bench.begin(), anyio.Event(), anyio.Event()

    async def before(work: Working) -> None:
        if work.parts == 2 and not paused.is_set():
            paused.set()
            await held.wait()

    pace.before = before
    kept: list[list[object]] = []
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.step)
            await paused.wait()
            await bench.overdue()
            assert await bench.step()
            assert (await bench.find(job_id)).state == "done"
            kept.append(await bench.sql("SELECT *, xmin FROM suite.job_parts ORDER BY part"))
            held.set()
    assert await bench.sql("SELECT *, xmin FROM suite.job_parts ORDER BY part") == kept[0]
    assert pace.made == STARTS
    assert (await bench.find(job_id)).state == "done"


async def test_every_write_of_a_worker_is_fenced(bench: Bench) -> None:
    await bench.begin()
    slow = await attempt_of(bench, await taken_by(bench))
    await bench.overdue()
    await taken_by(bench)
    for write in (lambda: slow.keep([1]), lambda: slow.expect(1), slow.restart):
        with pytest.raises(LeaseLost):
            await write()
    assert await bench.sql("SELECT part FROM suite.job_parts") == []


async def test_a_lease_is_renewed_while_the_work_goes_on(bench: Bench) -> None:
    job_id, reached = await bench.begin(), anyio.Event()

    async def before(work: Working) -> None:
        reached.set()
        await anyio.sleep_forever()

    pace.before = before
    due = "SELECT due_at FROM suite.job_queue WHERE job_id = $1"
    with anyio.fail_after(10):
        async with bench.working():
            await reached.wait()
            [first] = await bench.sql(due, job_id)
            while (await bench.sql(due, job_id))[0] == first:
                await anyio.sleep(0.02)


async def test_a_stopped_worker_gives_its_job_back_at_once_and_the_attempt_does_not_count(bench: Bench) -> None:
    job_id, reached = await bench.begin(), anyio.Event()

    async def before(work: Working) -> None:
        reached.set()
        await anyio.sleep_forever()

    pace.before = before
    with anyio.fail_after(10):
        async with bench.working():
            await reached.wait()
    [row] = await bench.sql("SELECT due_at <= now() AS due, attempts, lease FROM suite.job_queue")
    assert tuple(row) == (True, 0, None)
    pace.before = None
    assert await bench.step()
    assert (await bench.find(job_id)).state == "done"


async def test_a_worker_goes_on_after_an_outage(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "BACK_OFF_S", 0.01)
    take, troubles = worker.take, [Unavailable("gone"), Unavailable("gone")]

    async def troubled(*arguments: object) -> Taken | None:
        if troubles:
            raise troubles.pop()
        return await take(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(worker, "take", troubled)
    job_id = await bench.begin()
    async with bench.working():
        await bench.until(job_id, "done")
    assert troubles == []


async def test_an_attempt_that_an_outage_ended_is_not_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "BACK_OFF_S", 0)
    put_back, away = Taken.put_back, [True, False]

    async def troubled(taken: Taken, *, after_s: int, uncounted: int) -> None:
        if away.pop(0):
            raise Unavailable("gone")
        await put_back(taken, after_s=after_s, uncounted=uncounted)

    monkeypatch.setattr(Taken, "put_back", troubled)
    await bench.begin()
    failing(Unavailable("gone"), after=0)
    assert await bench.step()
    [row] = await bench.sql("SELECT attempts, lease FROM suite.job_queue")
    assert (tuple(row), away) == ((0, None), [])


async def test_what_a_newer_replica_began_is_left_to_it(bench: Bench) -> None:
    job_id = await bench.begin()
    held = "id, server, tool, issuer, subject, client, rights, arguments"
    newer = held.replace("id,", "'J-new',").replace("tool", "'later'")
    await bench.sql(f"INSERT INTO suite.jobs ({held}) SELECT {newer} FROM suite.jobs")
    await bench.sql("DELETE FROM suite.job_queue WHERE job_id = $1", job_id)
    await bench.sql(
        "INSERT INTO suite.job_queue (tenant_id, job_id, server, task) VALUES ('acme', 'J-new', 'customers', 'run')"
    )
    assert await bench.step()
    [row] = await bench.sql("SELECT attempts, lease, due_at > now() AS later FROM suite.job_queue")
    assert tuple(row) == (0, None, True)


async def test_jobs_of_servers_that_are_not_here_are_not_taken(bench: Bench) -> None:
    await bench.begin()
    await bench.sql("DELETE FROM suite.job_queue")
    queue = "INSERT INTO suite.job_queue (tenant_id, job_id, server, task) SELECT 'acme', id, 'elsewhere', 'run' "
    await bench.sql(f"{queue} FROM suite.jobs")
    assert not await bench.step()
