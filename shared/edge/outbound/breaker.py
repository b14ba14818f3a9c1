"""A circuit breaker: what fails again and again is not asked for a while (M. Nygard, *Release It!*, 2nd ed., §5.2).

Why not a library is in docs/decisions/0039-outbound.md: those there are let every request through when half open, or
count failures in a row instead of in a window.
"""

from collections import deque
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]
Admitted = Literal["freely", "to_try"]
"""How a request was let through: as one of many, or as the one whose end decides."""


class Breaker:
    """Of one upstream and process.

    Closed, it lets everything through, and opens at so many failures within a window. Open, it lets nothing through
    for a while; then one request, whose end decides.

    Args:
        failures: At so many it opens.
        window_s: Older failures do not count.
        open_s: How long it stays open.
        clock: Seconds, never going back.
    """

    def __init__(self, failures: int, window_s: float, open_s: float, clock: Callable[[], float]) -> None:
        self._most = failures
        self._window_s = window_s
        self._open_s = open_s
        self._clock = clock
        self._failed: deque[float] = deque(maxlen=failures)
        self._opened: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        if self._opened is None:
            return "closed"
        return "half_open" if self._probing or self.wait_s() <= 0 else "open"

    def wait_s(self) -> float:
        """How long nothing is let through; 0 if something may be."""
        if self._opened is None:
            return 0.0
        left = self._opened + self._open_s - self._clock()
        return max(left, 0.0)

    def admit(self) -> Admitted | None:
        """Leave for one request, or None; its end is told with `succeeded`, `failed` or `gave_up`."""
        if self._opened is None:
            return "freely"
        if self._probing or self.wait_s() > 0:
            return None
        self._probing = True
        return "to_try"

    def succeeded(self, admitted: Admitted) -> None:
        """It answered: also with a refusal."""
        if admitted == "to_try":
            self._opened, self._probing = None, False
            self._failed.clear()

    def failed(self, admitted: Admitted) -> None:
        """It did not answer, or not as it should."""
        now = self._clock()
        if admitted == "to_try":
            self._opened, self._probing = now, False
        elif self._opened is None:  # what was under way when it opened tells nothing new
            self._failed.append(now)
            if len(self._failed) == self._most and now - self._failed[0] <= self._window_s:
                self._opened = now

    def gave_up(self, admitted: Admitted) -> None:
        """Nobody waited for its end, which tells nothing; the next one may try."""
        if admitted == "to_try":
            self._probing = False
