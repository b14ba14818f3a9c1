"""One who hears of changes, in either era: a stream of `subscriptions/listen`, or a session with its GET stream."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import httpx

from tests.conversation import Conversation
from tests.harness import Suite
from tests.listening import WITHIN_S, listening

Hears = Callable[[], Awaitable[str | None]]
"""The URI of the next change; None once the stream has ended."""


@asynccontextmanager
async def watching(
    replicas: Sequence[Suite],
    era: str,
    token: str,
    uris: Sequence[str],
    later: str | None = None,
    server: str = "documents",
) -> AsyncGenerator[Hears]:
    """Subscribe to all of `uris`, which must be honoured, at the first replica.

    Args:
        replicas: Of one application, or one alone.
        era: `modern` or `legacy`.
        token: Who subscribes.
        uris: To what.
        later: A newer token, with which the session's stream is opened.
        server: Whose they are.
    """
    if era == "modern":
        opened = _listening(replicas, token, uris, server)
    else:
        opened = _in_session(replicas, token, uris, later, server)
    async with opened as hears:
        yield hears


@asynccontextmanager
async def _listening(replicas: Sequence[Suite], token: str, uris: Sequence[str], server: str) -> AsyncGenerator[Hears]:
    async with listening(replicas[0], uris, token=token, server=server) as listener:
        assert listener.honoured == [*uris]

        async def hears() -> str | None:
            frame = await listener.frame()
            return frame["params"]["uri"] if "params" in frame else None

        yield hears


@asynccontextmanager
async def _in_session(
    replicas: Sequence[Suite], token: str, uris: Sequence[str], later: str | None, server: str
) -> AsyncGenerator[Hears]:
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        session = Conversation(replicas, token, server, http)
        await session.initialize()
        for uri in uris:
            said = await session.post(0, session.request("resources/subscribe", {"uri": uri}))
            assert said.json()["result"] == {}, said.text
        session.token = later or token
        async with session.listening(0) as events:
            assert (await anext(events)).message is None  # the stream is open

            async def hears() -> str | None:
                with anyio.fail_after(WITHIN_S):
                    async for said in events:
                        if said.message is not None:
                            return said.message["params"]["uri"]
                return None

            yield hears
