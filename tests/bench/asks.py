"""The requests of the cases as bytes, and what a right answer to each holds."""

import json
from collections.abc import Iterator
from itertools import count, cycle
from typing import Any
from uuid import uuid4

from tests.bench.load import Ask, Asks
from tests.harness import modern, modern_headers

_DIFFERENT = 512
_KEY = "k" * 32


def call(port: int, tool: str, arguments: dict[str, Any], holds: str, token: str | None = None) -> Ask:
    """A modern `tools/call` of one tool."""
    params = {"name": tool, "arguments": arguments}
    body = json.dumps(modern("tools/call", params)).encode()
    headers = {
        "Host": f"127.0.0.1:{port}",
        "User-Agent": "bench",
        **modern_headers("tools/call", params),
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **({"Authorization": f"Bearer {token}"} if token else {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return Ask(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body, holds.encode())


def echo(port: int, token: str | None = None) -> Asks:
    ask = call(port, "echo", {"text": "a word or two"}, "a word or two", token)
    return lambda: cycle([ask])


def reads(port: int, token: str, customers: int) -> Asks:
    """`get_customer` for ids all over the table."""
    step = max(1, customers // _DIFFERENT)
    ids = [f"C-{number:06}" for number in range(1, customers + 1, step)][:_DIFFERENT]
    asks = [call(port, "get_customer", {"customer_id": name}, f'"id":"{name}"', token) for name in ids]
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
