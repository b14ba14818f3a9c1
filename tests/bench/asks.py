"""The requests of the cases as bytes, and what a right answer to each holds."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, cycle
from typing import Any
from uuid import uuid4

from tests.bench.connection import SESSION, Ask
from tests.bench.load import Asks
from tests.harness import LEGACY, modern, modern_headers

_DIFFERENT = 512
_KEY = "k" * 32
_WORDS = "a word or two"


def call(port: int, tool: str, arguments: dict[str, Any], holds: str, token: str | None = None) -> Ask:
    """A modern `tools/call` of one tool."""
    return request(port, "tools/call", {"name": tool, "arguments": arguments}, holds, token)


def request(port: int, method: str, params: dict[str, Any], holds: str, token: str | None = None) -> Ask:
    """A modern request of any kind."""
    return Ask(_post(port, modern(method, params), modern_headers(method, params), token), holds.encode())


def _post(port: int, message: dict[str, Any], headers: dict[str, str], token: str | None) -> bytes:
    body = json.dumps(message).encode()
    headers = {
        "Host": f"127.0.0.1:{port}",
        "User-Agent": "bench",
        **headers,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **({"Authorization": f"Bearer {token}"} if token else {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body


def echo(port: int, token: str | None = None) -> Asks:
    ask = call(port, "echo", {"text": _WORDS}, _WORDS, token)
    return lambda: cycle([ask])


def echo_in_session(port: int, token: str | None = None) -> Asks:
    """The same by a client of the 2025 era: each connection has a session of its own."""
    accepts = {"Accept": "application/json, text/event-stream"}
    client = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    begin = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": client}
    begun = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    params = {"name": "echo", "arguments": {"text": _WORDS}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    inside = {**accepts, "MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": SESSION.decode()}
    opening = (
        Ask(_post(port, begin, accepts, token), LEGACY.encode()),
        Ask(_post(port, begun, inside, token), b"", status=b"202"),
    )
    ask = Ask(_post(port, message, inside, token), _WORDS.encode(), opening)
    return lambda: cycle([ask])


def reads(port: int, token: str, customers: int, *, refusable: bool = False) -> Asks:
    """`get_customer` for ids all over the table."""
    step = max(1, customers // _DIFFERENT)
    ids = [f"C-{number:06}" for number in range(1, customers + 1, step)][:_DIFFERENT]
    asks = [call(port, "get_customer", {"customer_id": name}, f'"id":"{name}"', token) for name in ids]
    asks = [replace(ask, refusable=refusable) for ask in asks]
    return lambda: cycle(asks)


def searches(port: int, token: str, query: str) -> Asks:
    ask = call(port, "search_customers", {"query": query}, '"customers":[{', token)
    return lambda: cycle([ask])


def writes(port: int, token: str) -> Asks:
    """`create_customer`, each with a key of its own."""
    new = {"name": "Anna Schmidt", "country": "DE", "segment": "consumer", "idempotency_key": _KEY}
    like = call(port, "create_customer", new, '"customer":{', token)
    before, after = like.request.split(_KEY.encode())

    def each() -> Iterator[Ask]:
        run = uuid4().hex[:20]
        for number in count():
            yield Ask(before + f"{run}{number:012}".encode() + after, like.holds)

    return each
