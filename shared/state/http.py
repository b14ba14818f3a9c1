"""HTTP to others, within bounds: how long, how much, and to whom."""

from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, cast

import httpx
import orjson

JSON_LIMIT_BYTES = 256 * 1024
OK = 200
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Uncompressed, because a small body could unpack to any size."""
_LOOPBACK_DIRECT: dict[str, httpx.AsyncBaseTransport | None] = {
    "all://localhost": None,
    "all://127.0.0.1": None,
    "all://[::1]": None,
}


class BadAnswer(Exception):
    """The other side answered, but not with what was asked for; the message holds nothing of the answer."""


def open_client(*, answer_s: float = 5, connect_s: float = 2, connections: int = 10) -> httpx.AsyncClient:
    """A client for a process's lifetime (building one takes 19 ms); close it with `aclose()`.

    Follows no redirects and keeps no cookies: one caller's session is not another's. Proxies of the environment are
    used, except towards this machine.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(answer_s, connect=connect_s),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=min(4, connections)),
        follow_redirects=False,
        mounts=_LOOPBACK_DIRECT,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


def is_loopback(url: httpx.URL) -> bool:
    """Whether the URL names this machine, without asking DNS."""
    try:
        return ip_address(url.host).is_loopback
    except ValueError:
        return url.host == "localhost" or url.host.endswith(".localhost")


async def get_json(client: httpx.AsyncClient, url: str, limit: int = JSON_LIMIT_BYTES) -> dict[str, Any]:
    """GET one JSON object of at most `limit` bytes, not following redirects.

    Raises:
        BadAnswer: Another status than 200, too long, or not a JSON object.
        httpx.HTTPError, httpx.InvalidURL: Not reached, or not in time.
    """
    async with client.stream("GET", url, headers=_HEADERS, follow_redirects=False) as answer:
        return await _json(answer, limit)


async def post_form(
    client: httpx.AsyncClient,
    url: str,
    form: Mapping[str, str],
    headers: Mapping[str, str],
    limit: int = JSON_LIMIT_BYTES,
) -> dict[str, Any]:
    """POST a form; the answer, and what is raised, as for `get_json`."""
    sent = {**headers, **_HEADERS}
    async with client.stream("POST", url, data=dict(form), headers=sent, follow_redirects=False) as answer:
        return await _json(answer, limit)


async def post_form_any(
    client: httpx.AsyncClient,
    url: str,
    form: Mapping[str, str],
    headers: Mapping[str, str],
    limit: int = JSON_LIMIT_BYTES,
) -> tuple[int, dict[str, Any]]:
    """POST a form; the status and the object of any answer, of a refusal too (RFC 6749 §5.2)."""
    sent = {**headers, **_HEADERS}
    async with client.stream("POST", url, data=dict(form), headers=sent, follow_redirects=False) as answer:
        return answer.status_code, await _object(answer, limit)


async def _json(answer: httpx.Response, limit: int) -> dict[str, Any]:
    if answer.status_code != OK:
        raise BadAnswer(f"status {answer.status_code}")
    return await _object(answer, limit)


async def _object(answer: httpx.Response, limit: int) -> dict[str, Any]:
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise BadAnswer(f"more than {limit} bytes")
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("not JSON") from None
    if not isinstance(document, dict):
        raise BadAnswer("not a JSON object")
    return cast("dict[str, Any]", document)
