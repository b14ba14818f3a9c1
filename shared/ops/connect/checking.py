"""Whether what a client is told works: each server is reached as the client would reach it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from shared.edge.trying import tools_over_http, tools_over_stdio
from shared.ops.connect.entries import TOKEN, Way

_WITHIN_S = 10.0
_PING: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
_HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


@dataclass(frozen=True)
class Checked:
    """What came of it: `said` is one sentence; if it is not `sound`, with what to do."""

    sound: bool
    said: str


async def check(way: Way, mint: Callable[[], str | None]) -> Checked:
    """Reach one server.

    Args:
        way: As the client does.
        mint: Makes a token of the mock provider; None where that is not the issuer.
    """
    if way.url is None:
        return await _started(way)
    return await _at(way.url, mint)


async def _started(way: Way) -> Checked:
    try:
        tools = await tools_over_stdio(way.command, way.environment)
    except Exception as error:  # noqa: BLE001 - whatever keeps a client from it, of this process or that one
        told = f"{' '.join(way.command)} does not answer ({_words(error)}); run it in a shell, it says on stderr why"
        return Checked(sound=False, said=told)
    return Checked(sound=True, said=f"starts, and offers {len(tools)} tools: {', '.join(tools)}")


async def _at(url: str, mint: Callable[[], str | None]) -> Checked:
    try:
        async with httpx.AsyncClient(timeout=_WITHIN_S) as http:
            answer = await http.post(url, json=_PING, headers=_HEADERS)
            if answer.status_code != HTTPStatus.UNAUTHORIZED:
                return Checked(sound=False, said=_not_ours(url, answer.status_code))
            issuer, problem = await _issuer(http, answer)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        host = urlsplit(url).netloc
        return Checked(sound=False, said=f"nothing answers at {host} ({_words(error)}): is it running, is --url right?")
    if problem:
        return Checked(sound=False, said=problem)
    token = os.environ.get(TOKEN) or mint()
    if token is None:
        return Checked(
            sound=True, said=f"answers, and asks people to sign in at {issuer}; set {TOKEN} to list its tools"
        )
    try:
        tools = await tools_over_http(url, token)
    except Exception as error:  # noqa: BLE001 - as above
        told = f"answers, but not to this token ({_words(error)}): `mcp-suite doctor auth` says why a token is refused"
        return Checked(sound=False, said=told)
    return Checked(
        sound=True, said=f"answers, people sign in at {issuer}, and it offers {len(tools)} tools: {', '.join(tools)}"
    )


def _not_ours(url: str, status: int) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return (
            f"there is no endpoint at {url}: with SUITE_SHARED_URL or `up` it is BASE/SERVER/mcp, served alone BASE/mcp"
        )
    if status in {HTTPStatus.FORBIDDEN, HTTPStatus.MISDIRECTED_REQUEST}:
        return f"{url} does not take this Host ({status}): allow it in SUITE_ALLOWED_HOSTS, or use its SUITE_PUBLIC_URL"
    return f"{url} answers {status} where a request without a token is refused with 401: that is none of our servers"


async def _issuer(http: httpx.AsyncClient, refusal: httpx.Response) -> tuple[str, str]:
    """Who signs people in, found as a client finds it (RFC 9728, RFC 8414), or what is wrong with that."""
    _, found, rest = refusal.headers.get("WWW-Authenticate", "").partition('resource_metadata="')
    if not found:
        return "", "its refusal names no resource_metadata (RFC 9728): a client cannot find out where to sign in"
    metadata = await _json(http, rest.partition('"')[0])
    issuers: Any = metadata.get("authorization_servers") or [""]
    issuer = str(issuers[0])
    parts = urlsplit(issuer)
    base = f"{parts.scheme}://{parts.netloc}"
    for place in (
        f"{base}/.well-known/oauth-authorization-server{parts.path}",
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
    ):
        if "authorization_endpoint" in await _json(http, place):
            return issuer, ""
    return issuer, f"people are to sign in at {issuer or 'nowhere'}, whose metadata (RFC 8414) cannot be read from here"


async def _json(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    try:
        answer = await http.get(url)
        found: Any = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _words(error: BaseException) -> str:
    """Of a group, what went wrong first."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return _words(inner[0]) if inner else f"{error}".strip() or type(error).__name__
