"""The other servers as a process has them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from shared.core.peers import Asking, Peer
from shared.core.settings import Settings

if TYPE_CHECKING:
    from shared.edge.peers.asked import KnownPeer

__all__ = ["OpenedPeers", "ServerPeers", "open_peers"]


class OpenedPeers:
    """The other servers, each opened when it is first asked: a client takes a while to make, and most are never asked.
    A process that asks none does without a client for HTTP, which takes time to import (`asked.py`).

    Args:
        settings: Where they are.
        stack: Closes what is opened.
    """

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._known: dict[str, KnownPeer] = {}

    def asked_by(self, server: str) -> "ServerPeers":
        """The same as one server has them."""
        return ServerPeers(server, self)

    async def known(self, name: str) -> "KnownPeer":
        """The other server of that name.

        Raises:
            CannotDelegate: Its URL would send tokens in the clear.
        """
        from shared.edge.peers.asked import open_peer  # noqa: PLC0415 - see above

        found = self._known.get(name) or await self._stack.enter_async_context(open_peer(self._settings, name))
        return self._known.setdefault(name, found)


class ServerPeers:
    """What one server may ask (`shared.core.peers.Peers`)."""

    def __init__(self, server: str, opened: OpenedPeers) -> None:
        self._server = server
        self._opened = opened

    def of(self, asking: Asking) -> Callable[[str], Peer]:
        """By name, the other servers, for one call."""

        def peer(name: str) -> Peer:
            from shared.edge.peers.asked import AskedPeer  # noqa: PLC0415 - see above

            return AskedPeer(self._server, name, self._opened.known, asking)

        return peer


@asynccontextmanager
async def open_peers(settings: Settings) -> AsyncGenerator[OpenedPeers]:
    """The other servers, for a process's lifetime."""
    async with AsyncExitStack() as stack:
        yield OpenedPeers(settings, stack)
