"""What a client subscribed to, wherever that is kept: with a stream or a connection, or with a session in Redis."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from shared.core.request import Request
from shared.edge.watch import Context
from shared.state.sessions import Session, Sessions


class Kept(Protocol):
    """The URIs one client wants to hear of."""

    async def add(self, uri: str) -> bool:
        """Keep one more; False if there are as many as allowed."""
        ...

    async def drop(self, uri: str) -> None:
        """Forget one, if it is there."""
        ...

    async def among(self, uris: Sequence[str]) -> Sequence[str]:
        """Those of `uris` that are kept.

        Raises:
            Unavailable: Nobody can tell right now.
        """
        ...


Keeping = Callable[[Context, Request], Awaitable[Kept]]
"""Where the subscriptions of the client of the 2025 era that sent the request are kept."""


class InMemory:
    """Kept as long as a stream or a connection lasts."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._uris: set[str] = set()

    async def add(self, uri: str) -> bool:
        if len(self._uris | {uri}) > self._most:
            return False
        self._uris.add(uri)
        return True

    async def drop(self, uri: str) -> None:
        self._uris.discard(uri)

    async def among(self, uris: Sequence[str]) -> Sequence[str]:
        return [uri for uri in uris if uri in self._uris]


class InSession:
    """Kept with a session of the 2025 era, for whichever replica serves its GET stream."""

    def __init__(self, sessions: Sessions, session: Session, most: int) -> None:
        self._sessions = sessions
        self._session = session
        self._most = most

    async def add(self, uri: str) -> bool:
        return await self._sessions.subscribe(self._session, uri, most=self._most)

    async def drop(self, uri: str) -> None:
        await self._sessions.unsubscribe(self._session, uri)

    async def among(self, uris: Sequence[str]) -> Sequence[str]:
        return await self._sessions.subscribed(self._session, uris)


def of_sessions(sessions: Sessions, most: int, key: str) -> Keeping:
    """The subscriptions of the session that the edge found.

    Args:
        sessions: Where sessions are kept.
        most: Resources one session may be subscribed to.
        key: Of the ASGI scope that holds the session.
    """

    async def keeping(context: Context, _request: Request) -> Kept:
        http: Any = context.request
        return InSession(sessions, http.scope[key], most)

    return keeping
