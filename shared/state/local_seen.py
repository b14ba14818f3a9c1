import time
from collections.abc import Callable, Iterable

from shared.core.caller import Caller
from shared.core.errors import Unavailable
from shared.core.labels import Label
from shared.core.settings import Settings
from shared.state.seen import memories


class LocalSeen:
    """The twin of `RedisSeen` inside one process, which forgets everything when it ends.

    Args:
        clock: Seconds that never run backwards.
        most: Labels of all memories at once. Beyond it nothing new is given rather than anything forgotten.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic, most: int = 100_000) -> None:
        self._window_s = settings.flow_window_s
        self._clock = clock
        self._most = most
        self._until: dict[tuple[str, str, Label], float] = {}
        """By tenant, memory and label; the first to be forgotten first."""

    async def note(self, caller: Caller, labels: Iterable[Label]) -> None:
        until = self._sweep() + self._window_s
        noted = {(caller.tenant, memory, label): until for label in labels for memory in memories(caller)}
        if len(self._until) + len(noted.keys() - self._until.keys()) > self._most:
            raise Unavailable("Too many callers at once; nothing was given. Retry in a minute.")
        for key in noted:
            self._until.pop(key, None)
        self._until |= noted

    async def lately(self, caller: Caller) -> frozenset[Label]:
        self._sweep()
        own = memories(caller)
        return frozenset(
            label for label in Label if any((caller.tenant, memory, label) in self._until for memory in own)
        )

    def __len__(self) -> int:
        return len(self._until)

    def _sweep(self) -> float:
        """Forget what is past its time; returns the time."""
        now = self._clock()
        while self._until and next(iter(self._until.values())) <= now:
            del self._until[next(iter(self._until))]
        return now
