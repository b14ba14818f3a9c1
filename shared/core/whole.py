"""Whether what a server declares of long-running work can be begun, done, followed and read."""

from shared.core.errors import Misconfigured
from shared.core.jobs import WAIT_MAX_S, CancelJob, Job, OneJob
from shared.core.tool import Effect, Tool
from shared.core.toolset import Toolset
from shared.core.work import CANCEL, GET


def require_whole(tools: Toolset) -> None:
    """Refuse what begins work that nobody does, what a client could not follow, and what is replaced by nothing.

    Raises:
        Misconfigured: It says what is missing.
    """
    _require_replacements(tools)
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


def _require_replacements(tools: Toolset) -> None:
    for tool in tools.tools.values():
        instead = tool.deprecated.replacement if tool.deprecated else None
        if instead is not None and (instead not in tools.tools or tools.tools[instead].deprecated):
            raise Misconfigured(f"{tool.name} is replaced by {instead!r}: name a tool of the server that stays")


def _require(tool: Tool | None, name: str, arguments: type, effect: Effect) -> None:
    if tool is None or (tool.arguments, tool.answer, tool.effect) != (arguments, Job, effect):
        raise Misconfigured(
            f"a server with work has a tool {name} that takes {arguments.__name__} and answers with Job"
        )
