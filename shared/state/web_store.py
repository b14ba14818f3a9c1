"""What web sessions are made of, wherever it is kept: `RedisWebStore`, or `LocalWebStore` in one process."""

from hashlib import sha256
from typing import Protocol


class WebStore(Protocol):
    """Values that end by themselves, each under a kind and a secret name.

    Names are credentials: a store keeps their digests, so that reading it gives nobody a session. Losing the store
    ends all sessions; people sign in again.

    Raises:
        Unavailable: Every method: the store does not answer, or has no room.
    """

    async def put(self, kind: str, name: str, value: bytes, ttl_s: float) -> None:
        """Keep the value for so many seconds, instead of what was there."""
        ...

    async def replace(self, kind: str, name: str, value: bytes, ttl_s: float) -> bool:
        """As `put`, if something is there still; whether it was."""
        ...

    async def get(self, kind: str, name: str, ttl_s: float | None = None) -> bytes | None:
        """The value; with `ttl_s` it is kept that long again."""
        ...

    async def take(self, kind: str, name: str) -> bytes | None:
        """The value, for one of those who ask."""
        ...

    async def claim(self, kind: str, name: str, ttl_s: float) -> bool:
        """Whether nobody else holds this; then it is held for so many seconds, or until it is taken."""
        ...


def named(kind: str, name: str) -> str:
    """Under what a value is kept."""
    return f"{kind}:{sha256(name.encode()).hexdigest()}"


def topic_of(name: str) -> str:
    """The bus topic that tells that the session of this name changed or ended."""
    return f"web-session:{named('session', name)}"
