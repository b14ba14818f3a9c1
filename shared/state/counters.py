"""What limits are counted in, wherever they are counted."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

_MINUTE_US = 60_000_000

PLACE_WAIT_US = 1_000_000
"""What a caller without a free place is told to wait: nobody knows when a call in progress will end."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate by the generic cell rate algorithm (ITU-T I.371, GCRA).

    In any window of `w` minutes at most `w * per_minute + burst` are admitted.

    Attributes:
        key: Whose allowance it is; the same key always carries the same rate.
        name: What the caller is told was exceeded.
        per_minute: Calls in the long run; at least 1.
        burst: Calls that may come at once; at least 1.
        reserved: What of the burst this call must leave to others; less than all of it.
    """

    charge: ClassVar[int] = 1

    key: str
    name: str
    per_minute: int
    burst: int
    reserved: int = 0

    @property
    def interval_us(self) -> int:
        """Microseconds between two calls at the steady rate, rounded up so that the rate is never exceeded."""
        return -(-_MINUTE_US // self.per_minute)

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.interval_us, self.burst, self.reserved


@dataclass(frozen=True, slots=True)
class Places:
    """How many calls may be in progress; a call takes one place and gives it back.

    Attributes:
        reserved: Places this call must leave to others; fewer than all.
    """

    charge: ClassVar[int] = 1

    key: str
    name: str
    most: int
    reserved: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.most, self.reserved


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be used up in a window that begins with its first use.

    Attributes:
        most: In one window; steps, or millionths of a dollar.
        charge: Of this call. A call that costs nothing goes on when nothing is left.
        reserved: What this call must leave to others.
    """

    key: str
    name: str
    most: int
    charge: int
    window_us: int
    reserved: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.most, self.charge, self.window_us, self.reserved


Limit = Rate | Places | Budget


@dataclass(frozen=True)
class Demand:
    """What one call asks for: granted as a whole, or not at all.

    In a cluster all keys must be of one slot, hence a hash tag in each (`{...}`).

    Attributes:
        again: How often the same call may be repeated; the call's digest completes its key.
        hold_us: When places are free again though nobody gave them back: their process died.
    """

    rates: tuple[Rate, ...] = ()
    places: tuple[Places, ...] = ()
    budgets: tuple[Budget, ...] = ()
    again: Budget | None = None
    hold_us: int = 0

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """All of them, in the order of their keys."""
        return (*self.rates, *self.places, *self.budgets, *((self.again,) if self.again else ()))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Without that of `again`, which is another for every call."""
        return tuple(limit.key for limit in (*self.rates, *self.places, *self.budgets))

    @cached_property
    def packed(self) -> tuple[bytes, str]:
        """All numbers as `take.lua` reads them, and their format."""
        shape = (len(self.rates), len(self.places), self.hold_us, PLACE_WAIT_US)
        numbers = [*shape, *(number for limit in self.limits for number in limit.numbers)]
        form = f"<{'d' * len(numbers)}"
        return struct.pack(form, *numbers), form

    def told(self, left: Sequence[int], *, charged: bool = False) -> dict[str, int]:
        """What is left by the name of its limit; without a digest there is nothing to tell of `again`."""
        pairs = zip(self.limits, left, strict=False)
        return {limit.name: number - limit.charge if charged else number for limit, number in pairs}


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a demand.

    Attributes:
        left: By the name of the limit, what its owner may still take; of places perhaps more, since leases of processes
            that died are only looked for when places run short.
        lease: Gives the places back.
        refused: The limit that has to be waited for longest, if any refused; then nothing was taken.
        wait_us: Microseconds until every limit of the call admits it, if nobody else takes it first.
    """

    left: Mapping[str, int]
    lease: str = ""
    refused: Limit | None = None
    wait_us: int = 0


class Counters(Protocol):
    """Where allowances are kept: `RedisCounters`, or `LocalCounters` for one process."""

    async def take(self, demand: Demand, digest: str | None = None) -> Taken:
        """Charge one call to every limit, or to none of them if one refuses.

        Args:
            demand: What it asks for.
            digest: Of the call itself, if repeating it is limited.

        Raises:
            Unavailable: Nobody can tell, so the call must not go on.
        """
        ...

    def release(self, demand: Demand, lease: str) -> None:
        """Give the places of a granted demand back, at some moment soon; at the latest they free themselves."""
        ...

    async def check(self) -> None:
        """Raise Unavailable unless `take` can answer."""
        ...
