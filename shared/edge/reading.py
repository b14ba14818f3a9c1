"""`resources/read`: what a client may say besides the URI, and what it is given."""

from collections.abc import Mapping
from typing import Any

import mcp_types as types
import orjson
from mcp.shared.exceptions import MCPError

from shared.core.errors import Invalid
from shared.core.tool import Contents, Resource, Tool
from shared.edge.results import told
from shared.steps.redaction import Redacted

IF_NONE_MATCH = "enterprise-mcp-suite/if-none-match"
"""Key of a request's `_meta` with the digest of an earlier read: what has not changed since is not sent again."""

CONTENTS = "enterprise-mcp-suite/contents"
"""Key of a result's `_meta` with what is known of a resource besides its text or bytes."""

LABELS = "enterprise-mcp-suite/labels"
"""Key of a result's `_meta` that names what kinds of things are in a resource (docs/information-flow.md)."""

_CONDITION = "if_none_match"
_ANYTHING = "*"
_HELD = {"text", "blob", "mime_type"}
_NOT_FOUND_2025 = -32002


def conditional(resource: Resource | None, arguments: Mapping[str, Any], meta: Any) -> dict[str, Any]:
    """The arguments of a read, with the condition that its request states, if its tool takes one."""
    if resource is None or not meta or IF_NONE_MATCH not in meta or not _takes_condition(resource.tool):
        return {**arguments}
    return {**arguments, _CONDITION: meta[IF_NONE_MATCH]}


def unseen(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a read that nobody will see: as if the caller had it all, whatever it is (RFC 9110 §13.1.2)."""
    return {**arguments, _CONDITION: _ANYTHING} if _takes_condition(tool) else {**arguments}


def _takes_condition(tool: Tool) -> bool:
    return _CONDITION in tool.arguments.model_fields


def spoilt(resource: Resource | None, arguments: Mapping[str, Any]) -> Invalid | None:
    """What to tell the client whose condition is what is wrong with its request, and not the URI."""
    if resource is None or _CONDITION not in arguments:
        return None
    rest = {name: value for name, value in arguments.items() if name != _CONDITION}
    if not _fits(resource, rest) or _fits(resource, arguments):
        return None
    return Invalid(f"`{IF_NONE_MATCH}` is the digest of an earlier read, unchanged. Send that, or leave it out.")


def _fits(resource: Resource, arguments: Mapping[str, Any]) -> bool:
    try:
        resource.tool.parse(arguments)
    except Invalid:
        return False
    return True


def missing(uri: str, *, legacy: bool) -> MCPError:
    """One answer for what is missing, malformed, hidden or another tenant's; the 2025 era has a code of its own."""
    code = _NOT_FOUND_2025 if legacy else types.INVALID_PARAMS
    return MCPError(code, "Resource not found", {"uri": uri})


def read(uri: str, resource: Resource, answer: Redacted) -> types.ReadResourceResult:
    """What a resource holds: its text or bytes with facts beside them, the facts alone where it is as the client
    knows it, or JSON.
    """
    if not issubclass(resource.tool.answer, Contents):
        text = orjson.dumps(answer.value).decode()
        held = types.TextResourceContents(uri=uri, mime_type=resource.mime_type, text=text)
        return types.ReadResourceResult(contents=[held], _meta=told(answer))
    contents = _held(uri, answer.value)
    facts = {name: value for name, value in answer.value.items() if name not in _HELD and value is not None}
    if not contents:
        facts["unchanged"] = True
    meta = {**(told(answer) or {}), CONTENTS: facts, **({LABELS: labels} if (labels := sorted(answer.labels)) else {})}
    return types.ReadResourceResult(contents=contents, _meta=meta)


def _held(uri: str, shown: Mapping[str, Any]) -> list[types.TextResourceContents | types.BlobResourceContents]:
    text, blob, mime_type = shown["text"], shown["blob"], shown["mime_type"]
    if text is not None:
        return [types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)]
    return [] if blob is None else [types.BlobResourceContents(uri=uri, mime_type=mime_type, blob=blob)]
