import math
import time
from collections.abc import Callable, Iterable

from redis.asyncio import Redis

from shared.core.caller import Caller
from shared.core.labels import Label
from shared.core.settings import Settings
from shared.state.redis_calls import RedisCalls, Script, key_of
from shared.state.seen import memories

_SLACK = 60

_NOTE = Script("""
-- KEYS: one for each memory and label. ARGV: milliseconds to keep them.
for _, key in ipairs(KEYS) do redis.call('SET', key, 1, 'PX', ARGV[1]) end
""")

_LATELY = Script("""
-- KEYS: one for each memory and label. Answers which of them are kept.
local found = {}
for place, key in ipairs(KEYS) do found[place] = redis.call('EXISTS', key) end
return found
""")

_Noted = tuple[str, str, str, tuple[str, ...], Label]


class RedisSeen:
    """A memory that all replicas share: a key for each memory and label, which ends by Redis' own clock.

    Who reads the same things again and again costs no round trip each time: what this process noted a moment ago (a
    sixtieth of the window) is not noted again, and everything is kept that much longer. A Redis that loses its data
    takes the memory along.

    Args:
        clock: Seconds that never run backwards.
        most: Labels of callers that this process knows to be noted; those it does not know are only noted again.
    """

    def __init__(
        self, redis: Redis, settings: Settings, clock: Callable[[], float] = time.monotonic, most: int = 10_000
    ) -> None:
        self._calls = RedisCalls(redis, settings, "The memory of what was read")
        self._slack_s = settings.flow_window_s / _SLACK
        self._keep_ms = int((settings.flow_window_s + self._slack_s) * 1000)
        self._clock = clock
        self._most = most
        self._noted: dict[_Noted, float] = {}
        """When it was; the oldest first."""

    async def note(self, caller: Caller, labels: Iterable[Label]) -> None:
        now = self._clock()
        long_ago = now - self._slack_s
        new = [label for label in labels if self._noted.get(_name(caller, label), -math.inf) <= long_ago]
        if not new:
            return
        await self._calls.script(_NOTE, _keys(caller, new), self._keep_ms)
        for label in new:
            self._noted.pop(_name(caller, label), None)
            self._noted[_name(caller, label)] = now  # from before it was asked: Redis keeps it longer than we think
        while len(self._noted) > self._most:
            del self._noted[next(iter(self._noted))]

    def __len__(self) -> int:
        return len(self._noted)

    async def lately(self, caller: Caller) -> frozenset[Label]:
        own = memories(caller)
        every = [label for label in Label for _ in own]
        found = await self._calls.script(_LATELY, _keys(caller, Label))
        return frozenset(label for label, is_kept in zip(every, found, strict=True) if is_kept)


def _keys(caller: Caller, labels: Iterable[Label]) -> list[str]:
    """One for each label and memory, in this order."""
    own = memories(caller)
    return [key_of(caller.tenant, "seen", memory, label) for label in labels for memory in own]


def _name(caller: Caller, label: Label) -> _Noted:
    return caller.tenant, caller.issuer, caller.subject, caller.actors, label
