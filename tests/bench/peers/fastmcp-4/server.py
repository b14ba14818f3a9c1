"""A bare FastMCP 4 server with a tool that does nothing.  python server.py PORT"""
# pyright: basic, reportMissingImports=false

import logging
import sys

import uvicorn
from fastmcp import FastMCP

server = FastMCP("bare")


@server.tool
async def echo(text: str) -> str:
    """Say it again."""
    return text


if __name__ == "__main__":
    logging.getLogger().setLevel(logging.WARNING)
    uvicorn.run(
        server.http_app(path="/mcp", json_response=True, stateless_http=True),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
