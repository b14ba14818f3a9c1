from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Expiring(Generic[T]):
    """Values under names, each until its time is over; the oldest give way when it is full.

    Args:
        capacity: How many are kept at most.
        clock: Seconds since the epoch.
    """

    def __init__(self, capacity: int, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._clock = clock
        self._kept: dict[str, tuple[float, T]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, name: str, value: T, ends: float) -> None:
        """Keep the value until `ends`, instead of what had the name before."""
        self._kept.pop(name, None)
        self._make_room()
        self._kept[name] = (ends, value)

    def get(self, name: str) -> T | None:
        """The value; None if there is none, or its time is over."""
        ends, value = self._kept.get(name, (0.0, None))
        return value if self._clock() < ends else None

    def items(self) -> list[tuple[str, T]]:
        """All whose time is not over, the oldest first."""
        now = self._clock()
        return [(name, value) for name, (ends, value) in self._kept.items() if now < ends]

    def drop(self, name: str) -> None:
        self._kept.pop(name, None)

    def _make_room(self) -> None:
        now = self._clock()
        for name, (ends, _) in list(self._kept.items()):  # oldest first: a dict keeps the order of insertion
            if ends > now:
                break
            del self._kept[name]
        if len(self._kept) >= self._capacity:
            self._kept = {name: kept for name, kept in self._kept.items() if kept[0] > now}
        while len(self._kept) >= self._capacity:
            del self._kept[next(iter(self._kept))]
