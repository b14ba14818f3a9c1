"""Two ways through the documents, with whatever client: by tools alone, and by resources alone."""

import json
from base64 import b64decode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated
from mcp_types import BlobResourceContents, ResourceLink, ResourceTemplateReference, TextContent, TextResourceContents

from tests.data.library import LEDGER, PLANS
from tests.harness import MODERN, Suite

TEMPLATES = (
    "doc://{collection}",
    "doc://{collection}/{+folder}/",
    "doc://{collection}/{+path}{?version,section,offset}",
)
CONTENTS = "enterprise-mcp-suite/contents"
IF_NONE_MATCH = "enterprise-mcp-suite/if-none-match"
LARGEST = 25_000 * 4
"""Characters that clients pass on of one result: 25,000 tokens, of four characters each."""
_HEARD_S = 15


def noting(heard: list[str]) -> Any:
    """A handler of messages that puts URIs that changed into a list, as clients of the older era hear of them."""

    async def hear(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            heard.append(str(message.params.uri))

    return hear


@asynccontextmanager
async def connected(
    suite: Suite, persona: str, era: str, heard: list[str], known_as: str | None = None, server: str = "documents"
) -> AsyncGenerator[Client]:
    """A client over HTTP that notes which resources it was told to have changed.

    Args:
        suite: The replica that is asked.
        persona: Who asks.
        era: See `tests.harness.ERAS`.
        heard: What it was told, in the older era.
        known_as: The URL of all replicas, if this is one of several.
        server: Which is asked.
    """
    base = known_as or suite.settings.base_url
    token = suite.provider.mint(persona, f"{base}/{server}/mcp")
    headers = {"Authorization": f"Bearer {token}", "Host": base.partition("//")[2]}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        url = f"http://127.0.0.1:{suite.settings.port}/{server}/mcp"
        mode = "legacy" if era == "legacy" else MODERN
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode, message_handler=noting(heard)) as client:
            yield client


async def by_tools(client: Client, collection: str) -> dict[str, Any]:
    """Find, outline, read a part and its rest, find what is related, change, compare, put away, bring back.

    Args:
        client: Of somebody who may write.
        collection: With the library in it; afterwards one document has another version.
    """
    seen: dict[str, Any] = {"tools": [tool.name for tool in (await client.list_tools()).tools]}

    async def ask(tool: str, **arguments: Any) -> dict[str, Any]:
        result: Any = await client.call_tool(tool, arguments)
        assert isinstance(result.content[0], TextContent)
        assert json.loads(result.content[0].text) == result.structured_content
        seen.setdefault("links", {}).setdefault(tool, []).append(_links(result))
        return result.structured_content

    seen["found"] = await ask("search_documents", query="where do gannet passengers get refunds", collection=collection)
    uri = seen["uri"] = seen["found"]["found"][0]["uri"]
    seen["outline"] = await ask("get_document_outline", uri=uri)
    seen["section"] = await ask("read_section", uri=uri, section=seen["found"]["found"][0]["section"])
    seen["pieces"] = await _pieces(ask, f"doc://{collection}/{LEDGER}")
    seen["related"] = await ask("find_related", uri=uri)
    listed = await ask("list_collection", collection=collection, folder="safety/")
    seen["listed"] = [entry["name"] for entry in listed["entries"]]
    new = {"uri": uri, "content": "# Gannet\n\n## Refunds\n\nNobody gets a zloty back.\n", "if_version": 1}
    seen["put"] = await ask("put_document", **new, idempotency_key=f"{collection}-put")
    seen["again"] = await ask("put_document", **new, idempotency_key=f"{collection}-put")
    seen["compared"] = await ask("compare_versions", uri=uri, from_version=1)
    seen["archived"] = await ask("archive_document", uri=uri, if_version=2)
    seen["gone"] = await ask("read_section", uri=uri)
    seen["not found"] = await ask("search_documents", query="zloty", collection=collection)
    seen["restored"] = await ask("restore_document", document_id=seen["archived"]["document_id"])
    seen["found again"] = await ask("search_documents", query="zloty", collection=collection)
    return seen


def characters(result: Any) -> int:
    """Of everything that a client can pass on to a model: texts as they are, links as JSON."""
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    links = [block.model_dump_json(exclude_none=True) for block in result.content if isinstance(block, ResourceLink)]
    return sum(map(len, (*texts, *links)))


def _links(result: Any) -> list[str]:
    return [block.uri for block in result.content if isinstance(block, ResourceLink)]


async def _pieces(ask: Callable[..., Awaitable[dict[str, Any]]], uri: str) -> list[dict[str, Any]]:
    """A document as somebody reads it who follows what each answer says of the rest."""
    pieces: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None and len(pieces) < 30:
        piece = await ask("read_section", uri=uri, offset=offset)
        pieces.append(piece)
        offset = piece["cut"]["next_offset"]
    return pieces


async def by_resources(
    client: Client, collection: str, heard: list[str], change: Callable[[], Awaitable[None]]
) -> dict[str, Any]:
    """List, complete, read whole documents piece by piece, hear of a change, and read again.

    Args:
        client: Of somebody who may read; in the older era it puts URIs that changed into `heard`.
        collection: With the library in it.
        heard: See `client`.
        change: Gives `ferries/puffin.md` another version.
    """
    puffin = f"doc://{collection}/ferries/puffin.md"
    seen: dict[str, Any] = {"listed": await _listed(client)}
    templates = (await client.list_resource_templates()).resource_templates
    seen["templates"] = [template.uri_template for template in templates]
    seen["completed"] = await _completed(client, collection)
    for uri in (f"doc://{collection}", f"doc://{collection}/ferries/"):
        (index,) = (await client.read_resource(uri)).contents
        assert isinstance(index, TextResourceContents)
        seen[uri.removeprefix(f"doc://{collection}")] = json.loads(index.text)
    seen["ledger"] = await whole(client, f"doc://{collection}/{LEDGER}")
    seen["plans"] = await whole(client, f"doc://{collection}/{PLANS}")
    seen["deck"] = await whole(client, f"doc://{collection}/safety/deck.png")
    seen["refunds"] = await whole(client, f"{puffin}?section=refunds")
    before = seen["before"] = await whole(client, puffin)
    digest = before["facts"]["digest"]
    seen["same"] = await whole(client, puffin, digest)
    async with hearing(client, puffin, heard) as told:
        await change()
        with anyio.fail_after(_HEARD_S):
            seen["told"] = await told()
    seen["after"] = await whole(client, puffin, digest)
    seen["first"] = await whole(client, f"{puffin}?version=1")
    return seen


async def _listed(client: Client) -> list[list[str]]:
    """URIs, page by page."""
    page = await client.list_resources()
    pages = [[resource.uri for resource in page.resources]]
    while page.next_cursor is not None and len(pages) < 30:
        page = await client.list_resources(cursor=page.next_cursor)
        pages.append([resource.uri for resource in page.resources])
    return pages


async def _completed(client: Client, collection: str) -> list[list[str]]:
    """The collection by its first letters, then a path level by level."""
    reference = ResourceTemplateReference(uri=TEMPLATES[-1])
    found = [(await client.complete(reference, {"name": "collection", "value": collection[:-1]})).completion.values]
    for value in ("fer", "ferries/pu", "notes/over the sea/"):
        told = {"collection": collection}
        answer = await client.complete(reference, {"name": "path", "value": value}, context_arguments=told)
        found.append(answer.completion.values)
    return found


async def whole(client: Client, uri: str, digest: str | None = None) -> dict[str, Any]:
    """A resource, with each following piece that the one before names.

    Args:
        client: Who reads.
        uri: Of the first piece.
        digest: Of what the client has already.
    """
    pieces: list[str | bytes] = []
    kinds: set[str | None] = set()
    facts: dict[str, Any] = {}
    cuts: list[dict[str, Any]] = []
    following: str | None = uri
    meta: Any = {IF_NONE_MATCH: digest} if digest else None
    while following is not None and len(cuts) < 30:
        answer = await client.read_resource(following, meta=meta)
        facts = dict((answer.meta or {})[CONTENTS])
        cuts.append(facts.pop("cut", {}))
        following = cuts[-1].get("rest")
        for held in answer.contents:
            pieces.append(b64decode(held.blob) if isinstance(held, BlobResourceContents) else held.text)
            kinds.add(held.mime_type)
    return {"pieces": pieces, "kinds": kinds, "facts": facts, "cuts": cuts}


@asynccontextmanager
async def hearing(client: Client, uri: str, heard: list[str]) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Follow one resource in the way of the client's era; what it gives waits for the next change."""

    async def polled() -> str:
        while not heard:
            await anyio.sleep(0.01)
        return heard.pop(0)

    if client.protocol_version != MODERN:
        await client.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]
        yield polled
        return
    async with client.listen(resource_subscriptions=[uri]) as stream:
        events = aiter(stream)

        async def told() -> str:
            event = await anext(events)
            return event.uri if isinstance(event, ResourceUpdated) else repr(event)

        yield told
