"""`tools/call` of the modern era, answered without the SDK's second look at parameters and result.

A middleware may answer by itself and is then trusted to shape the result, envelope included. Ours were shaped by
the tool's models already; what the SDK would do to them is done here, and a test holds both ways to the same answer.
Anything out of the ordinary goes the SDK's way.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import Server as SdkServer
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from shared.edge.watch import Context

_ORDINARY = {"name", "arguments", "_meta"}


class Shortcut:
    """The middleware of one server.

    Args:
        call_tool: The handler of `tools/call`, behind its boundary.
        sdk: Whose name and version every result carries.
    """

    def __init__(self, call_tool: Callable[[Any, Any], Awaitable[dict[str, Any]]], sdk: SdkServer[Any]) -> None:
        self._call_tool = call_tool
        self._sdk = sdk

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        params = ctx.params
        if ctx.method != "tools/call" or params is None or ctx.request_id is None or not is_ordinary(ctx):
            return await call_next(ctx)
        named = types.CallToolRequestParams.model_construct(
            name=params["name"], arguments=params.get("arguments"), meta=ctx.meta
        )
        result = await self._call_tool(ctx, named)
        meta = {**result.get("_meta", {}), types.SERVER_INFO_META_KEY: self._sdk.server_info_stamp}
        return {**result, "_meta": meta}


def is_ordinary(ctx: Context) -> bool:
    """Whether there is nothing in the parameters but a tool's name and its arguments."""
    params = ctx.params or {}
    return (
        ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        and params.keys() <= _ORDINARY
        and type(params.get("name")) is str
        and isinstance(params.get("arguments", {}), dict)
    )
