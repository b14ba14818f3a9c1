"""What a process keeps of what tools look up again and again."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Kept(Protocol):
    """Metadata, made before for callers of the same server, tenant and rights."""

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """What is kept under the key, or what `make` makes of it."""
        ...
