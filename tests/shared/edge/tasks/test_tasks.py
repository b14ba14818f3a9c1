"""The tasks extension over HTTP: who is given a task, and what may be asked of it by whom."""

import base64
from datetime import datetime
from typing import Any

import anyio
import pytest

from shared.core.errors import Conflict
from shared.core.work import Working
from tests.harness import ERAS, Suite
from tests.shared.edge.tasks.talking import EXTENSION, MISSING, Talk
from tests.shared.state.jobs.counting import pace

pytestmark = pytest.mark.anyio

BASE = {"taskId", "status", "statusMessage", "createdAt", "lastUpdatedAt", "ttlMs", "pollIntervalMs"}


def hold() -> anyio.Event:
    """Keep every job from going on until it is set."""
    go = anyio.Event()

    async def before(_work: Working) -> None:
        await go.wait()

    pace.before = before
    return go


async def test_it_is_advertised_in_the_newer_era_alone(suite: Suite, small: Suite) -> None:
    for server in ("customers", "documents"):  # one has work; the other has what people may have to approve
        shown = (await suite.post(suite.token("admin", server), "server/discover", {}, server=server)).json()
        capabilities = shown["result"]["capabilities"]
        assert EXTENSION in capabilities["extensions"]
        assert "tasks" not in capabilities
    async with small.connect("manager", "legacy") as client:
        assert client.server_capabilities.extensions is None
        assert client.server_capabilities.tasks is None


async def test_a_client_that_declares_it_is_given_a_task_and_then_its_result(talk: Talk) -> None:
    created = await talk.begin()
    assert created.pop("_meta")
    assert created.pop("resultType") == "task"
    assert created.keys() == BASE
    assert (created["status"], created["ttlMs"]) == ("working", None)
    task = await talk.until(created["taskId"], "completed")
    assert task["resultType"] == "complete"
    assert task.keys() == BASE | {"resultType", "result", "_meta"}
    assert task["statusMessage"] == "50 of 50"
    assert datetime.fromisoformat(task["createdAt"]) < datetime.fromisoformat(task["lastUpdatedAt"])
    assert 86_400_000 <= task["ttlMs"] < 86_500_000
    result = task["result"]
    assert result["isError"] is False
    job = result["structuredContent"]
    assert (job["job_id"], job["state"], len(job["parts"])) == (task["taskId"], "done", 5)
    read = await talk.ask("resources/read", {"uri": job["parts"][4]})
    assert read.json()["result"]["contents"][0]["text"] == '{"numbers":[41,42,43,44,45,46,47,48,49,50]}'


@pytest.mark.parametrize("arguments", [{"dry_run": True}, {}])
async def test_a_client_that_does_not_and_a_dry_run_are_given_the_job_itself(
    small: Suite, arguments: dict[str, Any]
) -> None:
    talk = Talk(small, small.token("manager"), declares=bool(arguments))
    result = await talk.begin(**arguments)
    assert (result["resultType"], result["structuredContent"]["state"]) == ("complete", "queued")
    talk = Talk(small, small.token("manager"))
    assert ((await talk.task("get", result["structuredContent"]["job_id"])).status_code == 200) is not bool(arguments)


async def test_tools_that_begin_nothing_answer_as_ever(talk: Talk) -> None:
    created = await talk.begin()
    arguments = {"job_id": created["taskId"], "wait_s": 5}
    answer = await talk.ask("tools/call", {"name": "get_job", "arguments": arguments})
    assert answer.json()["result"]["resultType"] == "complete"


async def test_the_parameter_of_the_older_tasks_is_ignored(talk: Talk) -> None:
    asked = {"name": "count", "arguments": {}, "task": {"ttl": 60_000}}
    assert (await talk.ask("tools/call", asked)).json()["result"]["resultType"] == "task"
    talk.declares = False
    answer = (await talk.ask("tools/call", asked)).json()["result"]
    assert (answer["resultType"], answer["structuredContent"]["state"]) == ("complete", "queued")


async def test_the_same_key_is_the_same_task(talk: Talk) -> None:
    first, again = [await talk.begin(idempotency_key="count-once-1") for _ in range(2)]
    assert first["taskId"] == again["taskId"]


async def test_a_failure_of_the_work_is_its_result_as_a_tools_is(talk: Talk) -> None:
    async def before(_work: Working) -> None:
        raise Conflict("It is closed. Open it first.")

    pace.before = before
    task = await talk.until((await talk.begin())["taskId"], "completed")
    assert "error" not in task
    assert task["statusMessage"] == "It is closed. Open it first."
    assert task["result"]["isError"] is True


async def test_what_went_wrong_in_us_is_an_error_of_the_protocol(small: Suite, talk: Talk) -> None:
    hold()
    task_id = (await talk.begin())["taskId"]
    ended = "state = 'failed', error = 'worker_lost', finished_at = now(), expires_at = now() + interval '1 day'"
    await small.sql("DELETE FROM suite.job_queue")
    await small.sql(f"UPDATE suite.jobs SET {ended} WHERE id = $1", task_id)
    task = await talk.until(task_id, "failed")
    assert "result" not in task
    assert (task["error"]["code"], task["error"]["message"]) == (-32603, task["statusMessage"])


async def test_cancelling_is_acknowledged_stops_it_and_may_be_repeated(talk: Talk) -> None:
    hold()
    task_id = (await talk.begin())["taskId"]
    for _ in range(2):
        acknowledged = (await talk.task("cancel", task_id)).json()["result"]
        assert acknowledged.keys() == {"resultType", "_meta"}
        assert acknowledged["resultType"] == "complete"
        assert (await talk.get(task_id))["status"] == "cancelled"


async def test_what_has_ended_stays_as_it_is(talk: Talk) -> None:
    task_id = (await talk.begin())["taskId"]
    done = await talk.until(task_id, "completed")
    assert (await talk.task("cancel", task_id)).status_code == 200
    again = await talk.get(task_id)
    assert (again["status"], again["lastUpdatedAt"]) == ("completed", done["lastUpdatedAt"])


async def test_answers_to_what_nobody_asked_are_acknowledged(talk: Talk) -> None:
    task_id = (await talk.begin())["taskId"]
    answer = (await talk.task("update", task_id, inputResponses={"unknown": {"action": "accept"}})).json()
    assert answer["result"].keys() == {"resultType", "_meta"}


@pytest.mark.parametrize("method", ["get", "update", "cancel"])
async def test_missing_malformed_expired_and_other_peoples_tasks_look_alike(small: Suite, method: str) -> None:
    talk = Talk(small, small.token("manager"))
    hold()
    own, expired = (await talk.begin())["taskId"], (await talk.begin())["taskId"]
    await talk.task("cancel", expired)
    await small.sql(
        "UPDATE suite.jobs SET state = 'expired', expires_at = now() - interval '1 s' WHERE id = $1", expired
    )
    told: list[Any] = []
    for persona, task_id in (
        ("manager", MISSING),
        ("manager", "J-1"),
        ("manager", expired),
        ("admin", own),
        ("outsider", own),
    ):
        answer = await Talk(small, small.token(persona, scopes=["customers:write"])).task(method, task_id)
        error = answer.json()["error"]
        assert error["data"] == {"taskId": task_id}
        told.append((answer.status_code, error["code"], error["message"]))
    assert set(told) == {(told[0][0], -32602, "Task not found")}
    await talk.task("cancel", own)


@pytest.mark.parametrize("method", ["get", "update", "cancel"])
async def test_a_client_that_does_not_declare_it_is_told_what_it_lacks(talk: Talk, method: str) -> None:
    task_id = (await talk.begin())["taskId"]
    talk.declares = False
    answer = await talk.task(method, task_id)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["data"]) == (-32021, {"requiredCapabilities": {"extensions": {EXTENSION: {}}}})


@pytest.mark.parametrize("method", ["get", "update", "cancel"])
@pytest.mark.parametrize("name", [None, MISSING, "", "=?base64?AAA=?="])
async def test_the_header_names_the_task_that_is_meant(talk: Talk, method: str, name: str | None) -> None:
    task_id = (await talk.begin())["taskId"]
    headers = {} if name is None else {"Mcp-Name": name}
    answer = await talk.ask(f"tasks/{method}", {"taskId": task_id}, **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32020)
    encoded = f"=?base64?{base64.b64encode(task_id.encode()).decode()}?="
    assert (await talk.ask(f"tasks/{method}", {"taskId": task_id}, **{"Mcp-Name": encoded})).status_code == 200


@pytest.mark.parametrize("method", ["list", "result"])
async def test_what_the_extension_does_not_have_is_unknown(talk: Talk, method: str) -> None:
    answer = await talk.task(method, MISSING)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)


async def test_the_older_era_knows_no_tasks(small: Suite) -> None:
    headers = await small.session(small.token("manager"))
    async with small.http() as http:
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": MISSING}}
            assert (await http.post(small.url(), json=body, headers=headers)).json()["error"]["code"] == -32601


async def test_whoever_lost_the_scope_is_challenged_and_loses_the_task_from_sight(small: Suite) -> None:
    hold()
    task_id = (await Talk(small, small.token("manager")).begin())["taskId"]
    for method, needed in (("get", "customers:read"), ("cancel", "customers:write")):
        scopes = ["customers:read"] if method == "cancel" else ["profile"]
        answer = await Talk(small, small.token("manager", scopes=scopes)).task(method, task_id)
        assert answer.status_code == 403
        assert f'scope="{needed}"' in answer.headers["www-authenticate"]
    await Talk(small, small.token("manager")).task("cancel", task_id)


async def test_every_question_has_its_record(small: Suite) -> None:
    talk = Talk(small, small.token("manager", jti="recorded"))
    task_id = (await talk.begin())["taskId"]
    await talk.until(task_id, "completed")
    await talk.task("cancel", task_id)
    records = [record for record in await small.records() if record.get("token_id") == "recorded"]
    kinds = {(record["target_kind"], record["target"], record["kind"]) for record in records}
    assert kinds == {
        *(("tool", "count", "intent"), ("tool", "count", "outcome")),
        ("task", "get_job", "call"),
        *(("task", "cancel_job", "intent"), ("task", "cancel_job", "outcome")),
    }
    assert {record["arguments"]["job_id"] for record in records if record["target_kind"] == "task"} == {task_id}


@pytest.mark.parametrize("era", ERAS)
async def test_without_it_a_call_waits_for_the_end_and_hears_of_the_progress(small: Suite, era: str) -> None:
    turn = anyio.Event()

    async def before(work: Working) -> None:
        if work.parts == 2:
            await turn.wait()

    pace.before = before
    heard: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))
        turn.set()

    async with small.connect("manager", era) as client:
        begun: dict[str, Any] = (await client.call_tool("count", {})).structured_content or {}
        with anyio.fail_after(20):
            ended = await client.call_tool(
                "get_job", {"job_id": begun["job_id"], "wait_s": 20}, progress_callback=on_progress
            )
    assert (ended.structured_content or {})["state"] == "done"
    assert heard[0] == (20, 50, "20 of 50")
    assert [done for done, *_ in heard] == sorted({done for done, *_ in heard})


async def test_one_replica_begins_it_and_any_other_tells_of_it_and_stops_it(replicas: list[Suite]) -> None:
    here, there = (Talk(replica, replicas[0].token("manager")) for replica in replicas)
    task_id = (await here.begin())["taskId"]
    assert (await there.get(task_id))["taskId"] == task_id
    task = await there.until(task_id, "completed")
    assert {**task, "_meta": 0, "result": 0} == {**await here.get(task_id), "_meta": 0, "result": 0}
    hold()
    other = (await here.begin())["taskId"]
    assert (await there.task("cancel", other)).status_code == 200
    assert (await here.get(other))["status"] == "cancelled"
