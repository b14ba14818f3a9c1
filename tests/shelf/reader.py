"""Somebody who reads the shelf, through real clients of both eras and over raw HTTP."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.inbound import encode_header_value

from tests.harness import MODERN, Suite, modern, modern_headers
from tests.shelf.server import server

IF_NONE_MATCH = "enterprise-mcp-suite/if-none-match"
CONTENTS = "enterprise-mcp-suite/contents"
ALL = ("shelf:read", "shelf:write", "shelf:pii")


@dataclass(frozen=True)
class Reader:
    """Attributes:
    scopes: What the token holds.
    """

    suite: Suite
    era: str = "modern"
    scopes: tuple[str, ...] = ("shelf:read",)

    @property
    def url(self) -> str:
        return self.suite.url(server.name)

    def token(self, **claims: Any) -> str:
        return self.suite.token("manager", server.name, scopes=list(self.scopes), **claims)

    @asynccontextmanager
    async def client(self, **claims: Any) -> AsyncGenerator[Client]:
        headers = {"Authorization": f"Bearer {self.token(**claims)}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode="legacy" if self.era == "legacy" else MODERN) as client:
                yield client

    @asynccontextmanager
    async def raw(self) -> AsyncGenerator["Raw"]:
        """A connection for raw requests; in the older era with a session."""
        token = self.token()
        headers = {"Authorization": f"Bearer {token}"}
        if self.era == "legacy":
            headers = await self.suite.session(token, server.name)
        async with httpx.AsyncClient(timeout=30, headers=headers) as http:
            yield Raw(self, http)


@dataclass(frozen=True)
class Raw:
    reader: Reader
    http: httpx.AsyncClient

    async def ask(self, method: str, params: dict[str, Any], meta: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to one request, whatever it is; `meta` goes beside what the era wants in `_meta`."""
        if self.reader.era == "legacy":
            told = {**params, **({"_meta": meta} if meta else {})}
            body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": told}
            headers: dict[str, str] = {}
        else:
            body = modern(method, params)
            body["params"]["_meta"] |= meta or {}
            headers = modern_headers(method, params)
            name = params.get("uri", params.get("name"))
            headers |= {"Mcp-Name": encode_header_value(name)} if name is not None else {}
        response = await self.http.post(self.reader.url, json=body, headers=headers)
        return response.json()

    async def read(self, uri: str, **meta: Any) -> dict[str, Any]:
        """The result of a read; of one that is refused, its error."""
        answer = await self.ask("resources/read", {"uri": uri}, meta)
        return answer.get("result") or {"error": answer["error"]}
