"""What limits are counted in, wherever they are counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """One rate by the generic cell rate algorithm (ITU-T I.371, GCRA).

    In any window of `w` minutes at most `w * per_minute + burst` are admitted.

    Attributes:
        key: Whose allowance it is; the same key always carries the same rate.
        name: What the caller is told was exceeded.
        per_minute: Calls in the long run; at least 1.
        burst: Calls that may come at once; at least 1.
    """

    key: str
    name: str
    per_minute: int
    burst: int

    @property
    def interval_us(self) -> int:
        """Microseconds between two calls at the steady rate, rounded up so that the rate is never exceeded."""
        return -(-_MINUTE_US // self.per_minute)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The limit that has to be waited for longest.

    Attributes:
        retry_after_us: Microseconds until every limit of the call admits it, if nobody else takes it first.
    """

    limit: Limit
    retry_after_us: int


class Counters(Protocol):
    """Where allowances are kept: `RedisCounters`, or `LocalCounters` for one process."""

    async def take(self, limits: Sequence[Limit]) -> Refusal | None:
        """Charge one call to every limit, or to none of them if one refuses.

        Raises:
            Unavailable: Nobody can tell, so the call must not go on.
        """
        ...

    async def check(self) -> None:
        """Raise Unavailable unless `take` can answer."""
        ...
