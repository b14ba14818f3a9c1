"""What the suite is measured against: the official SDK with a tool that does nothing, and Starlette without MCP.

python -m tests.bench.peers.bare starlette|lowlevel|sdk_session|mcpserver PORT
"""

import logging
import sys
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TOOL = types.Tool(
    name="echo",
    description="Say it again.",
    input_schema={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)


def starlette() -> Starlette:
    """The same bytes in, about as many out: the limit of generator and server without MCP."""

    async def echo(request: Request) -> JSONResponse:
        said = await request.json()
        text = said["params"]["arguments"]["text"]
        return JSONResponse(
            {"jsonrpc": "2.0", "id": said["id"], "result": {"content": [{"type": "text", "text": text}]}}
        )

    return Starlette(routes=[Route("/mcp", echo, methods=["POST"])])


def lowlevel() -> Starlette:
    return _server().streamable_http_app(json_response=True, stateless_http=True)


def sdk_session() -> Starlette:
    """Sessions of the 2025 era, kept in the process."""
    return _server().streamable_http_app(json_response=True, stateless_http=False)


def _server() -> Server[Any]:
    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[TOOL])

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        text = (params.arguments or {})["text"]
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    # As the suite does: without the schema at hand each modern call walks tools/list.
    return Server(
        "bare",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda _name: TOOL.input_schema,
    )


def mcpserver() -> Starlette:
    server = MCPServer("bare")

    @server.tool()
    async def echo(text: str) -> str:  # pyright: ignore[reportUnusedFunction]
        """Say it again."""
        return text

    return server.streamable_http_app(json_response=True, stateless_http=True)


def main(kind: str, port: str) -> None:
    logging.basicConfig(level=logging.WARNING, force=True)
    app = {"starlette": starlette, "lowlevel": lowlevel, "sdk_session": sdk_session, "mcpserver": mcpserver}[kind]()
    uvicorn.run(
        app, host="127.0.0.1", port=int(port), loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
