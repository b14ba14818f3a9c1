"""Tasks over stdio, where one client and one process share a connection; and the handle, in both eras."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.clients.local import Local
from tests.clients.wire import Wire, wired
from tests.harness import ERAS, Databases
from tests.shared.edge.tasks.talking import DECLARED, LISTEN, MISSING

pytestmark = pytest.mark.anyio


@pytest.fixture
async def local(databases: Databases, tmp_path: Path) -> Local:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return Local(await databases.fresh(), folder, "customers:write customers:export")


async def asked(wire: Wire, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return await wire.ask(method, {**params, **DECLARED}, method)


async def test_a_task_is_begun_followed_and_read(local: Local) -> None:
    async with wired(local.env, local.errors, "modern") as wire:
        begun = (await asked(wire, "tools/call", {"name": "export_customers", "arguments": {"country": "DE"}}))[
            "result"
        ]
        task_id = begun["taskId"]
        assert begun["resultType"] == "task"
        listens = {"notifications": {"taskIds": [task_id]}, **DECLARED}
        await wire.send(wire.request(LISTEN, listens, 77))
        with anyio.fail_after(20):
            while (said := await wire.read()).get("params", {}).get("status") != "completed":
                assert said["method"] in {"notifications/subscriptions/acknowledged", "notifications/tasks"}
        task = (await asked(wire, "tasks/get", {"taskId": task_id}))["result"]
        assert task["result"]["structuredContent"] == said["params"]["result"]["structuredContent"]
        missing = await asked(wire, "tasks/get", {"taskId": MISSING})
        assert missing["error"]["code"] == -32602


@pytest.mark.parametrize("era", ERAS)
async def test_without_the_extension_there_is_a_handle(local: Local, era: str) -> None:
    async with wired(local.env, local.errors, era) as wire:
        await wire.greet()
        begun = (await wire.call("export_customers", {"country": "DE"}))["structuredContent"]
        ended = (await wire.call("get_job", {"job_id": begun["job_id"], "wait_s": 20}))["structuredContent"]
        assert (ended["state"], len(ended["parts"])) == ("done", 1)
        again = (await wire.call("cancel_job", {"job_id": begun["job_id"]}))["structuredContent"]
        assert again["state"] == "done"
        refused = await wire.ask("tasks/get", {"taskId": begun["job_id"]}, "task")
        assert refused["error"]["code"] == (-32601 if era == "legacy" else -32021)
