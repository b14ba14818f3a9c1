"""A server tried as a client would: its tools are listed, by the SDK's own client."""

import os
from collections.abc import Mapping, Sequence

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

_WITHIN_S = 30.0


async def tools_over_stdio(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The names of the tools of a server that we start, as a client does: with few variables of ours.

    Raises:
        TimeoutError: It did not answer within 30 seconds.
        Exception: What the SDK makes of a server that ends, or says something else.
    """
    server = StdioServerParameters(command=command[0], args=[*command[1:]], env=dict(environment))
    with anyio.fail_after(_WITHIN_S), open(os.devnull, "w") as silence:  # noqa: ASYNC230, PTH123 - a device, that a process can write to
        async with Client(stdio_client(server, silence)) as client:
            return [tool.name for tool in (await client.list_tools()).tools]


async def tools_over_http(url: str, token: str) -> list[str]:
    """The names of the tools at a URL, for the owner of the token.

    Raises:
        TimeoutError: It did not answer within 30 seconds.
        Exception: What the SDK makes of any other failure.
    """
    headers = {"Authorization": f"Bearer {token}"}
    with anyio.fail_after(_WITHIN_S):
        async with (
            httpx2.AsyncClient(headers=headers, timeout=_WITHIN_S) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return [tool.name for tool in (await client.list_tools()).tools]
