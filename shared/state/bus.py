"""What replicas tell each other, at most once: a message only wakes; what counts is kept elsewhere."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Inbox(Protocol):
    """What arrived for one listener, in order."""

    @property
    def missed(self) -> bool:
        """Whether something may have been lost since last asked: the inbox overflowed, or the connection was away.

        Asking resets it. Whoever cares then looks where the state is kept.
        """
        ...

    @property
    def quiet(self) -> bool:
        """Whether all that was published was read, as far as anybody can tell: what is published now arrives, nothing
        waits to be read, and nothing may have been lost that `missed` did not tell of.
        """
        ...

    async def next(self, timeout_s: float) -> bytes | None:
        """The next message; None when the time is up, or at once when something may have been lost."""
        ...


class Bus(Protocol):
    """Publish and subscribe between replicas: `RedisBus`, or `LocalBus` within one process."""

    async def publish(self, topic: str, message: bytes = b"") -> None:
        """Tell all who listen now; never raises: a message that cannot be sent is lost, and counted."""
        ...

    def listening(self, topic: str) -> AbstractAsyncContextManager[Inbox]:
        """Hear everything published on the topic from the moment the context is entered.

        It is entered even while the other side is away; `missed` is then set once it is back.
        """
        ...


class Replicas(Protocol):
    """Which processes are alive.

    Attributes:
        id: Of this one; random, new with every start.
    """

    @property
    def id(self) -> str: ...

    async def beat(self) -> None:
        """Say that this process lives, every 2 s until cancelled; 6 s without it mean that it is gone."""
        ...

    async def alive(self, replica: str) -> bool:
        """Whether that process said so lately.

        Raises:
            Unavailable: Nobody can tell.
        """
        ...

    async def leave(self) -> None:
        """Say that this process is gone, now; never raises."""
        ...
