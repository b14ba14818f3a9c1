from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import anyio
import orjson
import pytest
from mcp.shared.exceptions import MCPError

from servers.customers import exports
from shared.core.errors import Invalid, NotFound, RateLimited, Unavailable
from shared.core.jobs import UNFINISHED_MAX
from shared.core.settings import Settings
from shared.state.database import open_database
from shared.state.jobs.attempt import Attempt
from tests.harness import ERAS, Databases, Suite
from tests.pgbouncer import pooled
from tests.servers.customers.desk import Desk, call_of, caller, tools

pytestmark = pytest.mark.anyio

EXPORT = "customers:export customers:pii"
MISSING = "J-" + 26 * "0"
Make = Callable[..., Awaitable[Suite]]


@pytest.fixture
async def alone(databases: Databases, tmp_path: Any) -> AsyncGenerator[Desk]:
    """A desk over a database of its own, where no worker runs but the test's."""
    urls = await databases.fresh()
    settings = Settings(**pooled(urls), data_dir=tmp_path, pool_min=1, pool_max=10)
    async with open_database(urls.app, settings) as database:
        yield Desk(database)


async def order(desk: Desk, **more: Any) -> str:
    return (await desk.ask("export_customers", scopes=EXPORT, **more)).job_id


async def job_of(desk: Desk, job_id: str, **more: Any) -> Any:
    return await desk.ask("get_job", scopes=EXPORT, job_id=job_id, **more)


async def step(desk: Desk) -> bool:
    """What is due is done, if anything is."""
    return await desk.work() > 0


async def sql(desk: Desk, statement: str, *values: Any, tenant: str = "acme") -> list[Any]:
    async with desk.database.transaction(tenant) as transaction:
        return await transaction.connection.fetch(statement, *values)


async def overdue(desk: Desk) -> None:
    """As if the lease, or the time until a row is due, had run out."""
    await sql(desk, "UPDATE suite.job_queue SET due_at = now() - interval '1 second'")


async def test_an_export_waits_runs_and_is_read_part_by_part(alone: Desk) -> None:
    job_id = await order(alone)
    waiting = await job_of(alone, job_id)
    assert (waiting.state, waiting.done, waiting.parts, waiting.progress) == ("queued", 0, [], 0)
    assert await step(alone)
    job = await job_of(alone, job_id)
    assert (job.state, job.done, job.expected, job.progress, job.truncated) == ("done", 100, 100, 1, False)
    assert job.parts == [f"customers-export://{job_id}/1"]
    assert timedelta(hours=23) < job.expires_at - job.finished_at <= timedelta(hours=24)
    assert not await step(alone)


@pytest.mark.parametrize("era", ERAS)
async def test_over_the_wire_the_worker_of_the_application_does_it(suite: Suite, era: str) -> None:
    async with suite.connect("admin", era) as client:
        started = await client.call_tool("export_customers", {"country": "DE"})
        job: dict[str, Any] = started.structured_content or {}
        with anyio.move_on_after(30):
            while job["state"] not in {"done", "failed"}:
                await anyio.sleep(0.1)
                job = (await client.call_tool("get_job", {"job_id": job["job_id"]})).structured_content or {}
        read = await client.read_resource(job["parts"][0]) if job["parts"] else None
    assert job["state"] == "done"
    assert read is not None
    part = orjson.loads(read.contents[0].text)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    expected = "SELECT id FROM customers.customers WHERE tenant_id = 'acme' AND country = 'DE' ORDER BY id"
    assert [customer["id"] for customer in part["customers"]] == [row["id"] for row in await suite.sql(expected)]


@pytest.mark.parametrize(
    "filters", [{"status": "active"}, {"segment": "consumer", "country": "US"}, {"tag": "vip"}, {"tag": "nobody-has"}]
)
async def test_filters_choose_whom(alone: Desk, filters: dict[str, str]) -> None:
    job_id = await order(alone, **filters)
    await step(alone)
    rows = await sql(alone, "SELECT * FROM customers.customers ORDER BY id")
    expected = [
        row["id"]
        for row in rows
        if all(value in row["tags"] if name == "tag" else row[name] == value for name, value in filters.items())
    ]
    job = await job_of(alone, job_id)
    assert (job.state, job.done, len(job.parts)) == ("done", len(expected), 1 if expected else 0)
    assert await ids_of(alone, job_id, len(job.parts)) == expected


async def read_part(desk: Desk, job_id: str, part: int | str, *, scopes: str = EXPORT, subject: str = "user") -> Any:
    resource = tools.resources["customers-export://{job_id}/{part}"]
    who = caller(scopes=scopes, subject=subject)
    call = call_of(resource.tool, who, desk.database)
    return await resource.tool.run(call, resource.tool.parse({"job_id": job_id, "part": str(part)}))


async def ids_of(desk: Desk, job_id: str, parts: int) -> list[str]:
    found: list[str] = []
    for number in range(1, parts + 1):
        part: Any = await read_part(desk, job_id, number)
        assert (part.part, part.parts) == (number, parts)
        found += [customer.id for customer in part.customers]
    return found


async def test_parts_hold_every_customer_once_in_the_order_of_ids(alone: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PART_ROWS", 7)
    job_id = await order(alone)
    await step(alone)
    job = await job_of(alone, job_id)
    assert (len(job.parts), job.done) == (15, 100)
    assert await ids_of(alone, job_id, 15) == [f"C-{number:06}" for number in range(1, 101)]


@pytest.mark.parametrize(("most", "truncated"), [(99, True), (100, False)])
async def test_an_export_is_bounded_and_says_so(
    alone: Desk, monkeypatch: pytest.MonkeyPatch, most: int, truncated: bool
) -> None:
    monkeypatch.setattr(exports, "PART_ROWS", 10)
    monkeypatch.setattr(exports, "ROWS_MAX", most)
    job_id = await order(alone)
    await step(alone)
    job = await job_of(alone, job_id)
    assert (job.state, job.done, job.truncated) == ("done", most, truncated)


async def test_an_export_that_is_begun_again_is_one_snapshot_too(alone: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PART_ROWS", 30)
    keep, dying = Attempt.keep, [False, True]

    async def died(work: Attempt, rows: Sequence[Any], checkpoint: Any = None) -> None:
        await keep(work, rows, checkpoint)
        if work.parts == 2 and dying.pop():
            await sql(alone, "UPDATE customers.customers SET city = 'Meanwhile'")
            raise Unavailable("gone")

    monkeypatch.setattr(Attempt, "keep", died)
    job_id = await order(alone)
    assert await step(alone)
    assert (await job_of(alone, job_id)).state == "running"
    await overdue(alone)
    assert await step(alone)
    assert (await job_of(alone, job_id)).state == "done"
    assert await ids_of(alone, job_id, 4) == [f"C-{number:06}" for number in range(1, 101)]
    parts = [await read_part(alone, job_id, number) for number in range(1, 5)]
    assert {customer.city for part in parts for customer in part.customers} == {"Meanwhile"}


async def test_one_that_is_cancelled_keeps_nothing(alone: Desk) -> None:
    job_id = await order(alone)
    cancelled = await alone.ask("cancel_job", scopes=EXPORT, job_id=job_id)
    assert (cancelled.state, (await job_of(alone, job_id)).state) == ("cancelled", "cancelled")
    assert not await step(alone)


async def test_it_is_one_snapshot_whatever_is_written_meanwhile(alone: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PART_ROWS", 10)
    keep = Attempt.keep

    async def disturbed(work: Attempt, rows: Sequence[Any], checkpoint: Any = None) -> None:
        await keep(work, rows, checkpoint)
        if work.parts == 1:
            await sql(alone, "UPDATE customers.customers SET city = 'Meanwhile'")
            await alone.made(name="Meanwhile")

    monkeypatch.setattr(Attempt, "keep", disturbed)
    job_id = await order(alone)
    await step(alone)
    job = await job_of(alone, job_id)
    assert job.done == 100
    cities = {
        customer.city for number in range(1, 11) for customer in (await read_part(alone, job_id, number)).customers
    }
    assert "Meanwhile" not in cities


async def test_personal_data_is_masked_by_the_rights_of_whoever_reads_not_of_whoever_exported(suite: Suite) -> None:
    made = await suite.call("admin", "export_customers", {"status": "active"})
    with anyio.fail_after(30):
        while (job := await suite.call("admin", "get_job", {"job_id": made["job_id"]}))["state"] != "done":
            await anyio.sleep(0.1)
    texts: list[str] = []
    for scopes in (["customers:export", "customers:pii"], ["customers:export"]):
        token = suite.provider.mint("admin", suite.url(), scopes=scopes)
        answer = await suite.post(token, "resources/read", {"uri": job["parts"][0]})
        texts.append(answer.json()["result"]["contents"][0]["text"])
    plain, masked = [orjson.loads(text)["customers"][0] for text in texts]
    assert {field for field in plain if plain[field] != masked[field]} == {"email", "phone", "street", "postal_code"}


async def test_only_who_asked_sees_the_job_and_its_parts(alone: Desk) -> None:
    job_id = await order(alone)
    await step(alone)
    for other in ({"subject": "colleague"}, {"tenant": "globex"}):
        with pytest.raises(NotFound) as failure:
            await job_of(alone, job_id, **other)
        with pytest.raises(NotFound) as missing:
            await job_of(alone, MISSING, **other)
        assert str(failure.value).replace(job_id, "ID") == str(missing.value).replace(MISSING, "ID")
    with pytest.raises(NotFound):
        await read_part(alone, job_id, 1, subject="colleague")


@pytest.mark.parametrize("part", ["2", "9999"])
async def test_a_part_there_is_not_is_not_found(alone: Desk, part: str) -> None:
    job_id = await order(alone)
    await step(alone)
    with pytest.raises(NotFound):
        await read_part(alone, job_id, part)


@pytest.mark.parametrize("part", ["0", "-1", "1.5", "x", "10000", ""])
async def test_what_is_no_part_is_refused(alone: Desk, part: str) -> None:
    with pytest.raises(Invalid):
        await read_part(alone, MISSING, part)


async def test_a_caller_has_few_exports_at_a_time_also_when_asked_at_once(alone: Desk) -> None:
    ends: list[str] = []

    async def ask(subject: str) -> None:
        try:
            await alone.ask("export_customers", scopes=EXPORT, subject=subject)
            ends.append(subject)
        except RateLimited as failure:
            ends.append("refused" if failure.retry_after_s > 0 else "never again")

    async with anyio.create_task_group() as tasks:
        for subject in ("ada", "ada", "ada", "ada", "ada", "bob"):
            tasks.start_soon(ask, subject)
    assert sorted(ends) == ["ada"] * UNFINISHED_MAX + ["bob"] + ["refused"] * 2
    assert await step(alone)
    await ask("ada")
    assert ends[-1] == "ada"


async def test_a_dry_run_starts_nothing(alone: Desk) -> None:
    shown = await alone.ask("export_customers", scopes=EXPORT, dry_run=True)
    assert shown.state == "queued"
    assert not await step(alone)
    with pytest.raises(NotFound):
        await job_of(alone, shown.job_id)


async def test_a_key_starts_one_export(suite: Suite) -> None:
    arguments = {"tag": "vip", "idempotency_key": "export-once-1"}
    first, again = [await suite.call("admin", "export_customers", arguments) for _ in range(2)]
    assert first == again
    jobs = "SELECT count(*) AS n FROM suite.jobs WHERE id = $1"
    assert [row["n"] for row in await suite.sql(jobs, first["job_id"])] == [1]


async def test_writing_rights_are_no_right_to_export(suite: Suite) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("tools/call", {"name": "export_customers", "arguments": {}}),
        ("tools/call", {"name": "get_job", "arguments": {"job_id": MISSING}}),
        ("resources/read", {"uri": f"customers-export://{MISSING}/1"}),
    ]
    for method, params in asked:
        answer = await suite.post(suite.token("manager"), method, params)
        assert answer.status_code == 403
        assert 'scope="customers:export"' in answer.headers["www-authenticate"]


async def test_the_application_outlives_an_outage_and_then_exports(own_suite: Make) -> None:
    suite = await own_suite()
    await suite.allow_connections(allowed=False)
    try:
        refused = await suite.post(suite.token(), "tools/call", {"name": "export_customers", "arguments": {}})
    finally:
        await suite.allow_connections(allowed=True)
    assert '"unavailable"' in refused.text or refused.status_code == 503
    with anyio.fail_after(60):
        while "job_id" not in (started := await suite.call("admin", "export_customers", {})):
            await anyio.sleep(0.2)
        while (job := await suite.call("admin", "get_job", {"job_id": started["job_id"]})).get("state") != "done":
            await anyio.sleep(0.2)
    assert job["done"] == 100


async def test_jobs_of_two_tenants_hold_their_own_customers(alone: Desk) -> None:
    ours = await order(alone)
    theirs = await order(alone, tenant="globex")
    while await step(alone):
        pass
    rows = await sql(alone, "SELECT job_id, rows FROM suite.job_parts", tenant="globex")
    assert [row["job_id"] for row in rows] == [theirs]
    emails = {customer["email"] for row in rows for customer in row["rows"]}
    own = {customer.email for customer in (await read_part(alone, ours, 1)).customers}
    assert len(emails) == len(own) == 100
    assert not emails & own


async def test_part_of_malformed_or_missing_jobs_look_alike_over_the_wire(suite: Suite) -> None:
    async with suite.connect("admin") as client:
        told: list[str] = []
        for uri in (
            f"customers-export://{MISSING}/1",
            f"customers-export://{MISSING}/x",
            "customers-export://no/1",
        ):
            try:
                await client.read_resource(uri)
            except MCPError as failure:
                told.append(str(failure))
    assert len(told) == 3
    assert len(set(told)) == 1
