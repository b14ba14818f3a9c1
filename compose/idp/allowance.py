from collections import deque
from collections.abc import Callable

_WINDOW_S = 60


class Allowance:
    """So many in any minute, over everybody."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=per_minute)

    def take(self) -> bool:
        """Whether there is one left; it is used up then."""
        now = self._clock()
        if len(self._recent) == self._recent.maxlen and now - self._recent[0] < _WINDOW_S:
            return False
        self._recent.append(now)
        return True
