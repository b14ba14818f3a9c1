"""What a client of the 2025 era does with the suite, from no token at all to a resource it wrote itself.

    python journey.py NAME QUERY --http URL --persona PERSONA
    python journey.py NAME QUERY --stdio COMMAND…

NAME is what the new customer is called, and its idempotency key; QUERY finds a customer that is there already.
Every step is asserted; what was seen is printed as one JSON object, whose words `tests/clients/journey.py` shares.
"""

import argparse
import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from mcp import ClientSession, StdioServerParameters
from mcp.client.auth import OAuthClientProvider
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp.types import TextResourceContents
from pydantic import AnyUrl

CALLBACK = "http://127.0.0.1:33333/callback"


class Form(HTMLParser):
    """The first form of a page: where it goes, what is hidden in it and what is ticked."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.filled: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given["action"]
        elif tag == "input" and (given["type"] == "hidden" or "checked" in given):
            self.filled[given["name"]] = given["value"]


async def submit(browser: httpx.AsyncClient, page: httpx.Response, **pressed: str) -> httpx.Response:
    """The redirect that answers the page's form, filled in as it came."""
    form = Form(page.text)
    answer = await browser.post(urljoin(str(page.url), form.action), data={**form.filled, **pressed})
    assert answer.status_code == 303, answer.text
    return answer


class SignIn:
    """Somebody at a browser, the memory of their client, and a record of all it sent."""

    def __init__(self, persona: str, url: str) -> None:
        self._persona = persona
        self._url = url
        self._client: OAuthClientInformationFull | None = None
        self._tokens: OAuthToken | None = None
        self._answer: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.trace: list[dict[str, Any]] = []

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info

    async def browse(self, authorize_url: str) -> None:
        """Open the page, choose the persona and allow what is asked, as a browser with a person before it would."""
        self.asked.append(authorize_url)
        async with httpx.AsyncClient() as browser:
            page = await browser.get(authorize_url)
            assert page.status_code == 200, page.text
            answer = await submit(browser, page, persona=self._persona)
            if answer.headers["location"].startswith("/"):
                page = await browser.get(urljoin(str(page.url), answer.headers["location"]))
                assert page.status_code == 200, page.text
                answer = await submit(browser, page, decision="allow")
        assert answer.headers["location"].startswith(CALLBACK)
        self._answer = parse_qs(urlsplit(answer.headers["location"]).query)

    async def come_back(self) -> tuple[str, str | None]:
        assert "code" in self._answer, self._answer
        return self._answer["code"][0], self._answer["state"][0]

    async def note(self, response: httpx.Response) -> None:
        request = response.request
        to_server = str(request.url) == self._url
        if not to_server:
            await response.aread()
        self.trace.append(
            {
                "method": request.method,
                "url": str(request.url),
                "status": response.status_code,
                "challenge": response.headers.get("www-authenticate"),
                "sent": "" if to_server else request.content.decode(),
                "answer": "" if to_server else response.text,
            }
        )

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[ClientSession]:
        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(CALLBACK)], client_name="Journey of SDK 1.30")
        auth = OAuthClientProvider(self._url, metadata, self, self.browse, self.come_back)
        async with (
            httpx.AsyncClient(auth=auth, timeout=30, event_hooks={"response": [self.note]}) as http,
            streamable_http_client(self._url, http_client=http) as (reading, writing, _session_id),
            ClientSession(reading, writing) as session,
        ):
            yield session


@asynccontextmanager
async def started(command: list[str]) -> AsyncGenerator[ClientSession]:
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    async with stdio_client(server) as (reading, writing), ClientSession(reading, writing) as session:
        yield session


async def walk(session: ClientSession, name: str, query: str) -> dict[str, Any]:
    async def ask(tool: str, arguments: dict[str, Any], *, fails: bool = False) -> dict[str, Any]:
        result = await session.call_tool(tool, arguments)
        assert result.isError == fails, result
        assert result.structuredContent is not None
        return result.structuredContent

    hello = await session.initialize()
    tools = (await session.list_tools()).tools
    templates = (await session.list_resource_templates()).resourceTemplates
    found = await ask("search_customers", {"query": query})
    read = await ask("get_customer", {"customer_id": found["customers"][0]["id"]})
    new = {"name": name, "segment": "consumer", "country": "DE", "idempotency_key": name}
    created = await ask("create_customer", new)
    repeated = await ask("create_customer", new)
    stale = {"customer_id": created["customer"]["id"], "version": created["customer"]["version"]}
    updated = await ask("update_customer", {**stale, "changes": {"city": "Köln"}})
    conflict = await ask("update_customer", {**stale, "changes": {"city": "Bonn"}}, fails=True)
    (resource,) = (await session.read_resource(AnyUrl(f"customer://{stale['customer_id']}"))).contents
    assert isinstance(resource, TextResourceContents)
    return {
        "sdk": version("mcp"),
        "protocol": hello.protocolVersion,
        "server": hello.serverInfo.name,
        "tools": [tool.name for tool in tools],
        "templates": [template.uriTemplate for template in templates],
        "found": found,
        "read": read,
        "created": created,
        "repeated": repeated,
        "updated": updated,
        "conflict": conflict,
        "resource": {
            "uri": str(resource.uri),
            "mime_type": resource.mimeType,
            "customer": json.loads(resource.text),
        },
    }


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("query")
    parser.add_argument("--http")
    parser.add_argument("--persona", default="manager")
    parser.add_argument("--stdio", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if given.http:
        person = SignIn(given.persona, given.http)
        async with person.connect() as session:
            summary = await walk(session, given.name, given.query)
        summary |= {"asked": person.asked, "trace": person.trace}
    else:
        async with started(given.stdio) as session:
            summary = await walk(session, given.name, given.query)
    print(json.dumps(summary))  # noqa: T201 - the interface of a program


if __name__ == "__main__":
    asyncio.run(main())
