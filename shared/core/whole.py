"""Whether what a server declares of long-running work can be begun, done, followed and read."""

from shared.core.errors import Misconfigured
from shared.core.jobs import WAIT_MAX_S, CancelJob, Job, OneJob
from shared.core.tool import Effect, Tool, Toolset
from shared.core.work import CANCEL, GET


def require_whole(tools: Toolset) -> None:
    """Refuse a declaration that begins what nobody does, or that a client could not follow.

    Raises:
        Misconfigured: It says what is missing.
    """
    begin = {name for name, tool in tools.tools.items() if issubclass(tool.answer, Job) and tool.effect is Effect.WRITE}
    begin.discard(CANCEL)
    work = tools.works
    if begin != {*work}:
        names = ", ".join(sorted(begin ^ {*work}))
        raise Misconfigured(
            f"{names}: a tool that writes and answers with Job has its `work`, and no other tool has any"
        )
    for one in work.values():
        if one.parts not in tools.resources or any(word not in one.parts for word in ("{job_id}", "{part}")):
            raise Misconfigured(
                f"parts of work at {one.parts!r}: name a resource of the server by {{job_id}} and {{part}}"
            )
    if work:
        _require(tools.tools.get(GET), GET, OneJob, Effect.READ)
        _require(tools.tools.get(CANCEL), CANCEL, CancelJob, Effect.WRITE)
        if (tools.tools[GET].deadline_s or 0) <= WAIT_MAX_S:
            raise Misconfigured(f"{GET} waits up to {WAIT_MAX_S} s: give it a deadline_s beyond that")


def _require(tool: Tool | None, name: str, arguments: type, effect: Effect) -> None:
    if tool is None or (tool.arguments, tool.answer, tool.effect) != (arguments, Job, effect):
        raise Misconfigured(
            f"a server with work has a tool {name} that takes {arguments.__name__} and answers with Job"
        )
