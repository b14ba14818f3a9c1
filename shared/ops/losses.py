import time
from collections.abc import Callable
from threading import Lock

import structlog

from shared.core import metrics

log = structlog.get_logger("telemetry")

TIMEOUT_S = 5.0
"""How long the collector may take for one batch."""

_WARN_AGAIN_S = 60.0


class Losses:
    """Counts what nobody got, and says so once a minute at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._quiet_until = 0.0

    def count(self, signal: str, reason: str, number: int = 1) -> None:
        with self._lock:
            metrics.TELEMETRY_DROPPED.add(signal, reason, by=number)
            now = self._clock()
            if now < self._quiet_until:
                return
            self._quiet_until = now + _WARN_AGAIN_S
        log.warning("the collector takes no telemetry, it is dropped and calls go on", signal=signal, reason=reason)
