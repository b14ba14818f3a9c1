"""JSON-RPC with another server: the request as it leaves, and what may come back of it."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import mcp_types as types
from mcp.shared.inbound import encode_header_value
from mcp_types.version import LATEST_MODERN_VERSION
from pydantic import BaseModel, Field, ValidationError

from shared.core import tracing
from shared.core.labels import Label
from shared.core.models import Cut
from shared.core.peers import PeerContents
from shared.edge.outbound.message import Message
from shared.edge.reading import CONTENTS, LABELS
from shared.edge.results import UNTRUSTED
from shared.state.http import BadAnswer

__all__ = ["Piece", "Reply", "Result", "Told", "labels_of", "piece_of", "request"]

_ACCEPT = "application/json, text/event-stream"


class Told(BaseModel):
    """A failure as our servers tell it (`shared.core.errors`)."""

    code: Annotated[str, Field(max_length=64)]
    message: Annotated[str, Field(max_length=10_000)]
    reference: Annotated[str, Field(max_length=128)] = ""
    details: dict[str, Any] = {}


class RpcError(BaseModel):
    """A refusal of the protocol; with a failure in its data, or without."""

    code: int
    message: Annotated[str, Field(max_length=10_000)] = ""
    data: Any = None


class Result(BaseModel):
    """What a tool or a read came to."""

    result_type: Annotated[str, Field(alias="resultType")] = "complete"
    is_error: Annotated[bool, Field(alias="isError")] = False
    structured: Annotated[dict[str, Any] | None, Field(alias="structuredContent")] = None
    contents: list[dict[str, Any]] = []
    meta: Annotated[dict[str, Any], Field(alias="_meta")] = {}


class Reply(BaseModel):
    """One answer of JSON-RPC 2.0 (§5)."""

    jsonrpc: Literal["2.0"]
    id: str | int | None = None
    result: Result | None = None
    error: RpcError | None = None


class _Held(BaseModel):
    """What one read holds."""

    uri: str
    mime_type: Annotated[str | None, Field(alias="mimeType")] = None
    text: str | None = None
    blob: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One read of a resource.

    Attributes:
        rest: Where it goes on.
    """

    contents: PeerContents
    rest: str | None


def request(method: str, name: str, params: Mapping[str, Any], request_id: str, server: str) -> Message:
    """One request, complete in itself.

    Args:
        method: Of MCP.
        name: The tool or URI, which a header repeats.
        params: Beside `_meta`.
        request_id: The reference of our call: the message's id, and in the `User-Agent` that the other audit keeps.
        server: Who asks; shown there, not believed.
    """
    parent = tracing.traceparent()
    meta = {
        types.PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION,
        types.CLIENT_CAPABILITIES_META_KEY: {},
        types.CLIENT_INFO_META_KEY: {"name": f"mcp-suite-{server}", "version": "1"},
        **({"traceparent": parent} if parent else {}),
    }
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**params, "_meta": meta}}
    headers = {
        "Accept": _ACCEPT,
        "MCP-Protocol-Version": LATEST_MODERN_VERSION,
        "Mcp-Method": method,
        "Mcp-Name": encode_header_value(name),
        "User-Agent": f"mcp-suite-{server} ({request_id})",
    }
    return Message("POST", (), body=body, headers=headers)


def piece_of(uri: str, result: Result) -> Piece:
    """What a read holds.

    Raises:
        BadAnswer: It is not one text or blob of this very URI.
    """
    try:
        (content,) = result.contents
        held = _Held.model_validate(content)
        facts: dict[str, Any] = dict(result.meta.get(CONTENTS) or {})
        cut = Cut.model_validate(facts.pop("cut")) if facts.get("cut") else None
        blob = None if held.blob is None else b64decode(held.blob, validate=True)
    except (ValueError, ValidationError, TypeError):
        raise BadAnswer("no contents") from None
    if held.uri != uri or (held.text is None) == (blob is None):
        raise BadAnswer("other contents")
    contents = PeerContents(uri, held.mime_type, held.text, blob, facts, labels_of(result))
    return Piece(contents, cut.rest if cut else None)


def labels_of(result: Result) -> frozenset[Label]:
    """What kinds of things the other server says are in its answer.

    Raises:
        BadAnswer: One that we do not know: what it forbids, nobody could tell.
    """
    try:
        said = {Label(str(label)) for label in result.meta.get(LABELS) or ()}
    except (ValueError, TypeError):
        raise BadAnswer("unknown labels") from None
    return frozenset(said | ({Label.UNTRUSTED} if result.meta.get(UNTRUSTED) else set()))
