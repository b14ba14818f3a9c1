"""What two JSON parsers could read differently is refused, and no more is kept of a body than its limit."""

import json
from collections.abc import Callable

import pytest
from starlette.types import Message

from shared.edge import body

pytestmark = pytest.mark.anyio


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        ('{"a": 1}'.encode("utf-32"), "UTF-8"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b'[{"x": [{"a": 1, "b": 2, "a": 3}]}]', "twice"),
        (b'{"a": 1, "\\u0061": 2}', "twice"),
        (nested(65), "deep"),
        (nested(100_000), "deep"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'["\\udc00\\ud800"]', "surrogate"),
        (b"[" + b"9" * 5000 + b"]", "JSON"),
        (b"[1,]", "JSON"),
        (b"{} {}", "JSON"),
        (b"", "JSON"),
    ],
)
def test_what_could_be_read_in_two_ways_is_malformed(content: bytes, why: str) -> None:
    with pytest.raises(body.Malformed, match=why):
        body.check(content)


@pytest.mark.parametrize(
    "content", [nested(64), b'["\\ud83d\\ude00"]', '["é😀"]'.encode(), b'[{"a": 1}, {"a": 2}]', b'{"a": {"a": 1}}']
)
def test_strict_json_passes(content: bytes) -> None:
    body.check(content)


@pytest.mark.parametrize("content", [b"[NaN]", b"[Infinity]", b'{"a": -Infinity}'])
def test_numbers_that_json_does_not_have_are_malformed(content: bytes) -> None:
    """RFC 8259 §6; some parsers take them and some do not."""
    with pytest.raises(body.Malformed):
        body.check(content)


def receiving(*chunks: bytes) -> tuple[Callable[[], object], list[bytes]]:
    left = list(chunks)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive, left


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    receive, _left = receiving(b"ab", b"cd")
    assert await body.read(receive, 4, None) == b"abcd"  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("declared", [None, "4", "-1", "many"])
async def test_no_chunk_is_asked_for_once_the_limit_is_passed(declared: str | None) -> None:
    receive, left = receiving(b"abc", b"def", b"ghi")
    with pytest.raises(body.TooLarge):
        await body.read(receive, 4, declared)  # pyright: ignore[reportArgumentType]
    assert left == [b"ghi"]


async def test_a_body_declared_too_large_is_refused_unread() -> None:
    receive, left = receiving(b"a")
    with pytest.raises(body.TooLarge):
        await body.read(receive, 4, "5")  # pyright: ignore[reportArgumentType]
    assert left == [b"a"]


async def test_a_client_that_goes_away_leaves_no_half_body() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"a"', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    with pytest.raises(body.Disconnected):
        await body.read(receive, 100, None)


async def test_the_body_is_given_again_once_and_then_the_disconnect() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    again = body.replay(json.dumps({"a": 1}).encode(), receive)
    assert [(await again()).get("body") for _ in range(2)] == [b'{"a": 1}', None]
