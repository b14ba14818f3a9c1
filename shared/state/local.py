import time
from collections.abc import Callable
from itertools import count, islice
from typing import NamedTuple

from shared.core.errors import Unavailable
from shared.state.counters import PLACE_WAIT_US, Budget, Demand, Limit, Places, Rate, Taken

_SWEEP = 2
"""Entries looked at beyond those a call adds, so that the sweep outruns the growth."""

_Kept = int | tuple[int, int] | dict[str, int]
"""Of a rate, when it is whole again: the theoretical arrival time of GCRA; of a budget, the end of its window and
what was used in it; of places, the end of each lease."""


class _Offer(NamedTuple):
    """What a limit says to one call: how long to wait, what is left before it, and what to keep after it."""

    limit: Limit
    key: str
    wait_us: int
    left: int
    kept: _Kept | None


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


class LocalCounters:
    """The twin of `RedisCounters` inside one process; two processes would each grant the whole allowance.

    Args:
        clock: Microseconds that never run backwards.
        most: Allowances kept at once. Beyond it new callers are refused rather than old ones forgotten; of repeated
            calls the oldest are forgotten.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_us, most: int = 100_000) -> None:
        self._clock = clock
        self._most = most
        self._leases = map(str, count())
        self._kept: dict[str, _Kept] = {}
        self._repeated: dict[str, tuple[int, int]] = {}

    async def take(self, demand: Demand, digest: str | None = None) -> Taken:
        now = self._clock()
        self._sweep(now, len(demand.keys) + _SWEEP)
        offers = [
            *(self._rate(now, rate) for rate in demand.rates),
            *(self._places(now, places) for places in demand.places),
            *(self._budget(now, budget, budget.key, self._kept.get(budget.key)) for budget in demand.budgets),
        ]
        repeat: _Offer | None = None
        if demand.again is not None and digest is not None:
            key = demand.again.key + digest
            repeat = self._budget(now, demand.again, key, self._repeated.get(key))
        said = [*offers, repeat] if repeat else offers
        left = [offer.left for offer in said]
        longest = max(said, key=lambda offer: offer.wait_us, default=None)
        if longest is not None and longest.wait_us > 0:
            return Taken(demand.told(left), "", longest.limit, longest.wait_us)
        self._keep(offers, repeat)
        lease = next(self._leases)
        for offer in offers:
            if isinstance(offer.kept, dict):
                offer.kept[lease] = now + demand.hold_us
        return Taken(demand.told(left, charged=True), lease)

    def release(self, demand: Demand, lease: str) -> None:
        for places in demand.places:
            held = self._kept.get(places.key)
            if isinstance(held, dict):
                held.pop(lease, None)

    async def check(self) -> None:
        """Always ready."""

    def __len__(self) -> int:
        return len(self._kept) + len(self._repeated)

    def _rate(self, now: int, rate: Rate) -> _Offer:
        interval, kept = rate.interval_us, self._kept.get(rate.key)
        spent = now + rate.burst * interval
        due = max(min(kept if isinstance(kept, int) else now, spent), now)
        wait = max(due - (rate.burst - rate.reserved - 1) * interval - now, 0)
        left = (spent - due) // interval
        return _Offer(rate, rate.key, wait, left, due + interval)

    def _places(self, now: int, places: Places) -> _Offer:
        kept = self._kept.get(places.key)
        held: dict[str, int] = kept if isinstance(kept, dict) else {}
        open_to_us = places.most - places.reserved
        if len(held) >= open_to_us:
            for lease in [lease for lease, ends in held.items() if ends <= now]:
                del held[lease]
        wait = PLACE_WAIT_US if len(held) >= open_to_us else 0
        left = max(places.most - len(held), 0)
        return _Offer(places, places.key, wait, left, held)

    def _budget(self, now: int, budget: Budget, key: str, kept: _Kept | None) -> _Offer:
        ends, used = now + budget.window_us, 0
        if isinstance(kept, tuple) and kept[0] > now:
            ends, used = min(kept[0], ends), kept[1]
        over = budget.charge > 0 and used + budget.charge > budget.most - budget.reserved
        left = max(budget.most - used, 0)
        new = (ends, used + budget.charge) if budget.charge else None
        return _Offer(budget, key, ends - now if over else 0, left, new)

    def _keep(self, offers: list[_Offer], repeat: _Offer | None) -> None:
        new = {offer.key: offer.kept for offer in offers if offer.kept is not None}
        if len(self._kept) + len(new.keys() - self._kept.keys()) > self._most:
            raise Unavailable("Too many callers at once. Nothing was done; retry in a minute.")
        self._kept |= new
        if repeat is not None and isinstance(repeat.kept, tuple):
            self._repeated.pop(repeat.key, None)
            self._repeated[repeat.key] = repeat.kept
            while len(self._repeated) > self._most:
                del self._repeated[next(iter(self._repeated))]

    def _sweep(self, now: int, steps: int) -> None:
        """Look at the oldest entries: drop those that are whole again, put the others at the end."""
        for _ in range(min(steps, len(self._kept))):
            key = next(iter(self._kept))
            kept = self._kept.pop(key)
            if _until(kept) > now:
                self._kept[key] = kept
        for key in list(islice(self._repeated, _SWEEP)):
            if self._repeated[key][0] <= now:
                del self._repeated[key]


def _until(kept: _Kept) -> int:
    """When it can be forgotten."""
    if isinstance(kept, int):
        return kept
    return kept[0] if isinstance(kept, tuple) else max(kept.values(), default=0)
