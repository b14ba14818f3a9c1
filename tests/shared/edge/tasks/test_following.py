"""`subscriptions/listen` for tasks: each notification is the whole task, and is authorised anew."""

from typing import Any

import anyio
import pytest

from shared.core.work import Working
from tests.harness import Suite, modern, modern_headers
from tests.shared.edge.tasks.talking import DECLARED, EXTENSION, LISTEN, MISSING, Talk
from tests.shared.edge.tasks.test_tasks import hold
from tests.shared.state.jobs.counting import pace

pytestmark = pytest.mark.anyio

ID = "io.modelcontextprotocol/subscriptionId"


async def test_a_follower_hears_where_it_stands_what_goes_on_and_how_it_ended(talk: Talk) -> None:
    go = hold()
    task_id = (await talk.begin())["taskId"]
    async with talk.following(task_id) as followed:
        assert followed.honoured == [task_id]
        first = await followed.hears()
        assert (first["taskId"], first["status"], first["_meta"]) == (task_id, "working", {ID: "listen-1"})
        go.set()
        last = await followed.until("completed")
    told = await talk.get(task_id)
    assert last["result"]["structuredContent"] == told["result"]["structuredContent"]
    assert {name: last[name] for name in ("status", "createdAt", "lastUpdatedAt", "ttlMs", "statusMessage")} == {
        name: told[name] for name in ("status", "createdAt", "lastUpdatedAt", "ttlMs", "statusMessage")
    }


async def test_who_follows_what_has_ended_is_told_at_once(talk: Talk) -> None:
    task_id = (await talk.begin())["taskId"]
    await talk.until(task_id, "completed")
    async with talk.following(task_id) as followed:
        assert (await followed.hears())["status"] == "completed"


async def test_other_peoples_and_missing_tasks_are_left_out(small: Suite, talk: Talk) -> None:
    hold()
    own = (await talk.begin())["taskId"]
    foreign = (await Talk(small, small.token("admin")).begin())["taskId"]
    async with talk.following(foreign, own, MISSING, "x", own) as followed:
        assert followed.honoured == [own]
        await followed.hears()
        await Talk(small, small.token("admin")).task("cancel", foreign)
        await talk.task("cancel", own)
        heard = await followed.until("cancelled")
        assert heard["taskId"] == own


async def test_a_client_that_does_not_declare_it_is_refused(small: Suite) -> None:
    talk = Talk(small, small.token("manager"), declares=False)
    answer = await talk.ask(LISTEN, {"notifications": {"taskIds": [MISSING]}})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["data"]) == (-32021, {"requiredCapabilities": {"extensions": {EXTENSION: {}}}})


@pytest.mark.parametrize("wrong", ["J-1", [1], {"a": 1}])
async def test_what_is_no_list_of_ids_is_refused(talk: Talk, wrong: Any) -> None:
    assert (await talk.ask(LISTEN, {"notifications": {"taskIds": wrong}})).json()["error"]["code"] == -32602


async def test_one_replica_works_and_followers_at_the_other_hear(replicas: list[Suite]) -> None:
    go = hold()
    here, there = (Talk(replica, replicas[0].token("manager")) for replica in replicas)
    task_id = (await here.begin())["taskId"]
    async with here.following(task_id) as near, there.following(task_id) as far:
        assert (await near.hears())["status"] == (await far.hears())["status"] == "working"
        go.set()
        assert (await near.until("completed"))["result"] == (await far.until("completed"))["result"]


async def test_a_task_that_may_be_read_no_more_is_told_of_no_more(small: Suite, talk: Talk) -> None:
    reached: list[Working] = []
    go = anyio.Event()

    async def before(work: Working) -> None:
        reached.append(work)
        await go.wait()

    pace.before = before
    token = small.token("manager", jti="gone")
    task_id, other = [(await Talk(small, token).begin())["taskId"] for _ in range(2)]
    with anyio.fail_after(10):
        while len(reached) < 2:
            await anyio.sleep(0.02)
    async with Talk(small, token).following(task_id, other) as followed:
        await followed.hears()
        await followed.hears()
        await small.sql("UPDATE suite.jobs SET subject = 'somebody-else' WHERE id = $1", task_id)
        go.set()
        while (heard := await followed.hears())["status"] == "working":
            assert heard["taskId"] == other
        assert heard["taskId"] == other
    told = [r["outcome"] for r in await small.records(target="get_job") if r.get("token_id") == "gone"]
    assert told.count("not_found") <= 1, "it was dropped with the first refusal"


async def test_every_task_that_was_told_has_its_record(small: Suite) -> None:
    talk = Talk(small, small.token("manager", jti="told"))
    task_id = (await talk.begin())["taskId"]
    async with talk.following(task_id) as followed:
        heard = 1
        while (await followed.hears())["status"] != "completed":
            heard += 1
    found = [r for r in await small.records(target="get_job") if r.get("token_id") == "told" and r["outcome"] == "ok"]
    assert len(found) >= heard
    assert {record["target_kind"] for record in found} == {"task"}


async def test_the_stream_is_refused_to_whoever_lacks_the_scope(small: Suite, talk: Talk) -> None:
    task_id = (await talk.begin())["taskId"]
    params: dict[str, Any] = {"notifications": {"taskIds": [task_id]}, **DECLARED}
    headers = modern_headers(LISTEN, params)
    headers |= {"Authorization": f"Bearer {small.token('manager', scopes=['profile'])}"}
    async with small.http() as http:
        answer = await http.post(small.url(), json=modern(LISTEN, params), headers=headers)
    assert answer.status_code == 403
    assert 'scope="customers:read"' in answer.headers["www-authenticate"]
