"""The tasks extension, `io.modelcontextprotocol/tasks` (SEP-2663): jobs as clients of the 2026 era may ask for them.

A client that declares the extension with its request is given a task where others are given the job itself. What it
then asks of the task passes the pipeline as `get_job` and `cancel_job` of the server, which everybody else calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server as SdkServer
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import decode_header_value
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field

from shared.core.errors import Internal, Invalid, NotFound, UnknownTarget
from shared.core.jobs import WORKER_LOST, JobState
from shared.core.server import Server
from shared.core.tool import Effect
from shared.core.work import CANCEL, GET
from shared.edge import awaiting
from shared.edge.boundary import boundary
from shared.edge.entrance import Entrance
from shared.edge.results import answered, refused, told
from shared.edge.watch import Context
from shared.steps.redaction import Redacted

EXTENSION = "io.modelcontextprotocol/tasks"

_POLL_MS = 2000
_MS = 1000
_STATUS = {
    JobState.QUEUED: "working",
    JobState.RUNNING: "working",
    JobState.DONE: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}


class TaskParams(types.RequestParams):
    """What `tasks/get` and `tasks/cancel` are sent with, and `tasks/update`, whose answers nobody asked for."""

    task_id: str = Field(max_length=512)


def declares(context: Context) -> bool:
    """Whether the client said, with this very request, that it knows tasks; in the older era it cannot."""
    declared = context.session.client_capabilities
    modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
    return modern and declared is not None and EXTENSION in (declared.extensions or {})


def require_declared(context: Context) -> None:
    """Refuse a client that did not.

    Raises:
        MCPError: `-32021`.
    """
    if not declares(context):
        needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        message = f"Missing required client capability: {EXTENSION}"
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, message, needed)


def offered(server: Server) -> bool:
    """Whether calls of the server may become tasks: some begin work, or people may have to approve some."""
    return bool(server.work) or any(tool.effect is Effect.WRITE for tool in server.tools.tools.values())


def created(answer: Redacted) -> dict[str, Any]:
    """The result of a call that began a job (`CreateTaskResult`)."""
    result = {"resultType": "task", **_task(answer.value)}
    return {**result, "_meta": meta} if (meta := told(answer)) else result


def detailed(answer: Redacted) -> dict[str, Any]:
    """A job as `tasks/get` and `notifications/tasks` tell of it (`DetailedTask`).

    Raises:
        NotFound: Its time is over.
    """
    job = answer.value
    if job["state"] == JobState.EXPIRED:
        raise NotFound("The task's time is over.")
    task = _task(job)
    if task["status"] == "completed":
        task["result"] = refused(job["failure"], job["job_id"]) if job["failure"] else answered(answer)
    if task["status"] == "failed":
        failure = job["failure"]
        task["error"] = {"code": types.INTERNAL_ERROR, "message": failure["message"], "data": failure}
    return task


def _task(job: Mapping[str, Any]) -> dict[str, Any]:
    ends, began = job["expires_at"], job["created_at"]
    lives = datetime.fromisoformat(ends) - datetime.fromisoformat(began) if ends else None
    return {
        "taskId": job["job_id"],
        "status": _status(job),
        "statusMessage": job["failure"]["message"] if job["failure"] else job["message"],
        "createdAt": began,
        "lastUpdatedAt": job["updated_at"],
        "ttlMs": int(lives.total_seconds() * _MS) if lives else None,  # none until it has ended
        "pollIntervalMs": _POLL_MS,
    }


def _status(job: Mapping[str, Any]) -> str:
    """A job that failed as tools fail is completed, and its result says so: `failed` is for what went wrong in us."""
    failure = job["failure"]
    ours = failure is not None and failure["code"] not in {Internal.code, WORKER_LOST}
    return "completed" if ours else _STATUS[JobState(job["state"])]


@dataclass(frozen=True)
class Tasks:
    """The handlers of one server."""

    entrance: Entrance

    def offer(self, sdk: SdkServer[Any]) -> None:
        """Answer the methods of the extension. There is no `tasks/list`, and no `tasks/result`."""
        if not offered(self.entrance.server):
            return
        for method, handler in (("get", self.get), ("update", self.update), ("cancel", self.cancel)):
            sdk.add_request_handler(f"tasks/{method}", TaskParams, boundary(handler))

    async def get(self, context: Context, params: TaskParams, reference: str) -> dict[str, Any]:
        """The task as it is."""
        return {"resultType": "complete", **await self._ask(context, params, reference, GET)}

    async def update(self, context: Context, params: TaskParams, reference: str) -> dict[str, Any]:
        """Answers to questions: no job asks any, and answers to what was not asked are ignored."""
        await self._ask(context, params, reference, GET)
        return {"resultType": "complete"}

    async def cancel(self, context: Context, params: TaskParams, reference: str) -> dict[str, Any]:
        """Stop it; one that has ended stays as it is."""
        await self._ask(context, params, reference, CANCEL)
        return {"resultType": "complete"}

    async def _ask(self, context: Context, params: TaskParams, reference: str, name: str) -> dict[str, Any]:
        if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise MCPError(types.METHOD_NOT_FOUND, "Method not found", context.method)
        require_declared(context)
        _require_named(context, params.task_id)
        try:
            return await self._shown(context, params.task_id, reference, name)
        except (UnknownTarget, NotFound, Invalid):  # one answer for what is missing, malformed, hidden or another's
            raise MCPError(types.INVALID_PARAMS, "Task not found", {"taskId": params.task_id}) from None

    async def _shown(self, context: Context, task_id: str, reference: str, name: str) -> dict[str, Any]:
        server, pipeline, caller = self.entrance.server, self.entrance.pipeline, self.entrance.caller_of(context)
        if awaiting.names(task_id):
            request = self.entrance.request(context, "task", context.method, {}, reference)
            return await awaiting.ask(server, pipeline, request, caller, task_id, cancel=name == CANCEL)
        request = self.entrance.request(context, "task", name, {"job_id": task_id}, reference)
        return detailed(await pipeline.call(request, caller, server.tools.tools.get(name)))


def _require_named(context: Context, task_id: str) -> None:
    """Hold the header that balancers may go by against the task that is meant; the SDK knows no `tasks/*`.

    Raises:
        MCPError: `-32020`.
    """
    if context.request is None:  # stdio has no headers
        return
    if decode_header_value(context.request.headers.get("mcp-name")) != task_id:
        raise MCPError(types.HEADER_MISMATCH, "Header mismatch: Mcp-Name must be params.taskId")
