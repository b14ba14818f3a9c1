import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleUse(Generic[T]):
    """Values kept under unguessable names, each to be taken once and soon; the oldest give way when it is full.

    Args:
        lifetime_s: Seconds a name stays good.
        capacity: How many are kept at most.
    """

    def __init__(self, lifetime_s: float, capacity: int, clock: Callable[[], float]) -> None:
        self._lifetime_s = lifetime_s
        self._capacity = capacity
        self._clock = clock
        self._kept: dict[str, tuple[float, T]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, value: T) -> str:
        """Keep the value; returns its name (256 random bits)."""
        self._make_room()
        name = secrets.token_urlsafe(32)
        self._kept[name] = (self._clock() + self._lifetime_s, value)
        return name

    def take(self, name: str) -> T | None:
        """The value, which is then gone; None if there is none, it was taken before, or it is too late."""
        ends, value = self._kept.pop(name, (0.0, None))
        return value if self._clock() < ends else None

    def _make_room(self) -> None:
        now = self._clock()
        for name, (ends, _) in list(self._kept.items()):  # oldest first: a dict keeps the order of insertion
            if ends > now and len(self._kept) < self._capacity:
                break
            del self._kept[name]
