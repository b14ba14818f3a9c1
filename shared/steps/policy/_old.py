"""May this caller do this? One rule for listing and for calling.

What does not exist and what policy hides answer alike, as an unknown name. What exists and lacks only a scope is
told: the challenge names every scope of the operation, so that a client can ask for them at once.
"""

from shared.core.caller import Caller
from shared.core.errors import Forbidden, UnknownTarget
from shared.core.request import Request
from shared.core.tool import Tool


def shows(caller: Caller, tool: Tool) -> bool:
    """Whether lists show the tool to this caller."""
    return all(caller.may(scope) for scope in tool.scopes)


def visible(caller: Caller, tool: Tool | None, request: Request) -> Tool:
    """The tool, if this caller may use it.

    Raises:
        UnknownTarget: There is none, or none this caller may know of.
        Forbidden: Only a scope is lacking.
    """
    if tool is None:
        raise UnknownTarget(request.kind, request.name)
    if not shows(caller, tool):
        needed = " ".join(tool.scopes)
        message = f"{tool.name} needs the scope {needed}. Authorize again with it, then repeat."
        raise Forbidden(message, tool.scopes)
    return tool
