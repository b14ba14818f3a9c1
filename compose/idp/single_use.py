import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

from compose.idp.expiring import Expiring

T = TypeVar("T")


class SingleUse(Generic[T]):
    """Values kept under unguessable names, each to be taken once and soon; the oldest give way when it is full.

    Args:
        lifetime_s: Seconds a name stays good.
        capacity: How many are kept at most.
        clock: Seconds since the epoch.
    """

    def __init__(self, lifetime_s: float, capacity: int, clock: Callable[[], float]) -> None:
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._kept: Expiring[T] = Expiring(capacity, clock)

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, value: T) -> str:
        """Keep the value; returns its name (256 random bits)."""
        name = secrets.token_urlsafe(32)
        self._kept.put(name, value, self._clock() + self._lifetime_s)
        return name

    def look(self, name: str) -> T | None:
        """The value, which stays; None if there is none, it was taken before, or it is too late."""
        return self._kept.get(name)

    def take(self, name: str) -> T | None:
        """As `look`, but then it is gone."""
        value = self._kept.get(name)
        self._kept.drop(name)
        return value
