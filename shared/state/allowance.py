from collections.abc import Callable


class Allowance:
    """A token bucket: `burst` at once, one more each `refill_s` seconds."""

    def __init__(self, burst: int, refill_s: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._refill_s = refill_s
        self._clock = clock
        self._left = float(burst)
        self._at = clock()

    def take(self) -> bool:
        """Whether there is one left; it is used up then."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) / self._refill_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
