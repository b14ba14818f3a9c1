"""Sessions no request may be served in, and the good one; what each puts into the `Mcp-Session-Id` header."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the world asks here
    from tests.e2e.hostile_world import Values, World

Presented = Callable[["World", str], Awaitable["Values"]]

GOOD = {"of a manager", "of support", "of a reader", "of a seller", "of an admin", "without pii"}
"""Tokens that open sessions."""


async def _own(world: World, token: str) -> str:
    return await world.session_of(token)


async def _none(world: World, token: str) -> None:
    del world, token


async def _of_another_user(world: World, token: str) -> str:
    assert token != "of support"
    return await world.session_of("of support")


async def _opened(world: World, persona: str, **claims: str) -> str:
    return (await world.suite.session(world.suite.token(persona, **claims)))["Mcp-Session-Id"]


async def _of_another_client(world: World, token: str) -> str:
    del token
    return await _opened(world, "manager", client_id="another")


async def _of_another_tenant(world: World, token: str) -> str:
    del token
    return await _opened(world, "outsider")


async def _new(world: World, token: str) -> str:
    assert token == "of a manager"
    return await _opened(world, "manager")


async def _ended(world: World, token: str) -> str:
    session = await _new(world, token)
    headers = await world.suite.session(world.suite.token("manager")) | {"Mcp-Session-Id": session}
    assert (await world.http.delete(world.suite.url(), headers=headers)).status_code == 204
    return session


async def _twice(world: World, token: str) -> tuple[str, str]:
    own = await world.session_of(token)
    return own, own


async def _two(world: World, token: str) -> tuple[str, str]:
    return await world.session_of(token), await _of_another_user(world, token)


def _made_up(value: str | bytes) -> Presented:
    async def presented(world: World, token: str) -> str | bytes:
        del world, token
        return value

    return presented


SESSIONS: dict[str, Presented] = {
    "own": _own,
    "own, new": _new,
    "none": _none,
    "empty": _made_up(""),
    "unknown": _made_up("dW5rbm93bg"),
    "over-long": _made_up("x" * 8000),
    "not ASCII": _made_up("s\u00e9ance".encode()),
    "of bytes": _made_up(bytes(range(0x80, 0x100))),
    "with wildcards": _made_up("*"),
    "of another user": _of_another_user,
    "of another client": _of_another_client,
    "of another tenant": _of_another_tenant,
    "ended": _ended,
    "twice": _twice,
    "two": _two,
}
