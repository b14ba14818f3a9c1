"""The request body, read within its limit and checked more strictly than a JSON parser does."""

import json
from math import isfinite
from typing import Any

from starlette.types import Message, Receive

from shared.core.errors import SuiteError

_DEPTH_MAX = 64


class TooLarge(SuiteError):
    """The body exceeds the limit; nothing of it was parsed."""


class Malformed(SuiteError):
    """The body is no JSON we accept: syntax, duplicate keys, lone surrogates, or nested too deep."""


class Disconnected(SuiteError):
    """The client went away before its request was complete."""


async def read(receive: Receive, limit: int, declared: str | None) -> bytes:
    """The whole body.

    Args:
        receive: ASGI's.
        limit: Bytes.
        declared: The Content-Length header, which is believed only when it says too much.

    Raises:
        TooLarge: Before more than `limit` bytes are kept.
        Disconnected: The client went away.
    """
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise TooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def check(body: bytes) -> Any:
    """What the body says, unless two parsers could read it differently (RFC 8259 §4) or it could exhaust one.

    Raises:
        Malformed: With a sentence for the client.
    """
    try:
        # Decoded first: from bytes Python also reads UTF-16, and skips a byte order mark that others stumble over.
        text = body.decode()
        parsed: Any = json.loads(text, object_pairs_hook=_unique, parse_constant=_number, parse_float=_number)
    except RecursionError:
        raise Malformed("nested too deep") from None
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    except ValueError:
        raise Malformed("not valid JSON, or an object names a key twice") from None
    if _depth(parsed) > _DEPTH_MAX:
        raise Malformed(f"nested more than {_DEPTH_MAX} levels deep")
    if b"\\u" in body:
        _check_text(parsed)
    return parsed


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body again, then waits for the disconnect as the original does."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _number(text: str) -> float:
    """Python reads NaN and infinity, and 1e999 as infinity; others read them as null (RFC 8259 §6)."""
    number = float(text)
    if not isfinite(number):
        raise ValueError
    return number


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        inner: list[Any] = []
        for item in level:
            inner.extend(_children(item))
        level = inner
    return deepest


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [child for child in item.values() if isinstance(child, dict | list)]  # pyright: ignore[reportUnknownVariableType]
    return [child for child in item if isinstance(child, dict | list)] if isinstance(item, list) else []  # pyright: ignore[reportUnknownVariableType]


def _check_text(parsed: Any) -> None:
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Malformed("text with half a surrogate pair") from None
