import time
from collections.abc import Callable, Sequence

from shared.core.errors import Unavailable
from shared.state.counters import Limit, Refusal

_SWEEP = 2
"""Entries looked at beyond those a call adds, so that the sweep outruns the growth."""


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


class LocalCounters:
    """The twin of `RedisCounters` inside one process; two processes would each grant the whole allowance.

    Args:
        clock: Microseconds that never run backwards.
        most: Allowances kept at once. Beyond it new callers are refused rather than old ones forgotten.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_us, most: int = 100_000) -> None:
        self._clock = clock
        self._most = most
        self._due: dict[str, int] = {}
        """By key, when the allowance is whole again: the theoretical arrival time of GCRA."""

    async def take(self, limits: Sequence[Limit]) -> Refusal | None:
        now = self._clock()
        self._sweep(now, len(limits) + _SWEEP)
        refusal: Refusal | None = None
        charges: dict[str, int] = {}
        for limit in limits:
            interval = limit.interval_us
            due = max(min(self._due.get(limit.key, now), now + limit.burst * interval), now)
            wait = due - (limit.burst - 1) * interval - now
            if wait > 0 and (refusal is None or wait > refusal.retry_after_us):
                refusal = Refusal(limit, wait)
            charges[limit.key] = due + interval
        if refusal is None:
            self._charge(charges)
        return refusal

    async def check(self) -> None:
        """Always ready."""

    def __len__(self) -> int:
        return len(self._due)

    def _charge(self, charges: dict[str, int]) -> None:
        if len(self._due) + len(charges) > self._most:
            raise Unavailable("Too many callers at once. Nothing was done; retry in a minute.")
        self._due |= charges

    def _sweep(self, now: int, steps: int) -> None:
        """Look at the oldest entries: drop those that are whole again, put the others at the end."""
        for _ in range(min(steps, len(self._due))):
            key = next(iter(self._due))
            due = self._due.pop(key)
            if due > now:
                self._due[key] = due
