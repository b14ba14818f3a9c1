from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Protocol

from shared.core.caller import Caller
from shared.core.errors import LoopDetected, OverBudget, RateLimited, Shed, Unavailable
from shared.core.request import Request
from shared.core.settings import Settings
from shared.core.tool import Effect, Tool
from shared.core.tracing import span
from shared.state.counters import Budget, Counters, Demand, Places, Rate, Taken
from shared.steps.demands import MICRO_USD, Demands, repeated

Left = Mapping[str, float]
"""What the caller may still use up: `calls_left` at once, `steps_left`, `cost_left_usd`."""

PRESSURE = "pressure"
"""The limit that calls are told of when not they but the process has too much to do."""

_PRESSED_S = 2.0
_AWAY_S = 1.0
_MILLISECOND_US = 1000


class Limiter(Protocol):
    """What decides whether a call may go on, before anything of it is parsed or done."""

    def admitted(self, request: Request, caller: Caller, tool: Tool | None) -> AbstractAsyncContextManager[Left]:
        """Charge the call, and hold its places as long as the context lasts.

        `tool` is one the caller may use, or None: refusals and lists count for the caller alone.

        Raises:
            RateLimited: Too many calls, or in progress; it says which limit, and when the next is admitted.
            OverBudget: Too many steps in the session, or too costly.
            LoopDetected: The same call too often.
            Shed: Little is left, and the tool can wait.
            Unavailable: Limits cannot be checked, so nothing is let through.
        """
        ...

    async def admit(self, request: Request, caller: Caller, tool: Tool | None) -> None:
        """The same for what takes no time, or lasts so long that its places would be missed, as a stream does."""
        ...


def at_ease() -> bool:
    return False


class Limits:
    """All limits of a call, decided together in one round trip: all are charged, or none.

    Args:
        counters: Where they are counted.
        settings: How much of everything there is.
        server: Whose tools are called.
        spare: Where reads are counted while `counters` are away; without it they are refused like writes.
        pressed: Whether the process has too much to do for calls that can wait.
    """

    def __init__(
        self,
        counters: Counters,
        settings: Settings,
        server: str,
        spare: Counters | None = None,
        pressed: Callable[[], bool] = at_ease,
    ) -> None:
        self._counters = counters
        self._spare = spare
        self._server = server
        self._demands = Demands(settings, server)
        self._pressed = pressed
        self._away_until_s = 0.0

    @asynccontextmanager
    async def admitted(self, request: Request, caller: Caller, tool: Tool | None) -> AsyncGenerator[Left]:
        if tool is not None and tool.deferrable and self._pressed():
            raise Shed(
                f"The server is busy, and {tool.name} can wait. Repeat the call in {_PRESSED_S:g} s.",
                _PRESSED_S,
                PRESSURE,
            )
        demand = self._demands.of(caller, request.kind, tool)
        digest = repeated(self._server, request, tool) if tool is not None and demand.again is not None else None
        with span("admit"):
            counters, taken = await self._take(demand, digest, tool)
        if taken.refused is not None:
            raise refusal(taken, tool)
        try:
            yield left(taken)
        finally:
            counters.release(demand, taken.lease)

    async def admit(self, request: Request, caller: Caller, tool: Tool | None) -> None:
        async with self.admitted(request, caller, tool):
            pass

    async def _take(self, demand: Demand, digest: str | None, tool: Tool | None) -> tuple[Counters, Taken]:
        """A demand taken, and where. What is away is not asked again for every read: each would wait for nothing."""
        spare = self._spare if tool is None or tool.effect is Effect.READ else None
        if spare is None or monotonic() >= self._away_until_s:
            try:
                return self._counters, await self._counters.take(demand, digest)
            except Unavailable:
                if spare is None:
                    raise
                self._away_until_s = monotonic() + _AWAY_S
        return spare, await spare.take(demand, digest)


def left(taken: Taken) -> dict[str, float]:
    """What is left of the caller's own; what others use of a shared allowance is not the caller's to know."""
    numbers = taken.left
    calls = numbers["calls_per_minute"]
    return {
        "calls_left": min(calls, numbers.get("tool_calls_per_minute", calls)),
        "steps_left": numbers["session_steps"],
        "cost_left_usd": numbers["session_cost_usd"] / MICRO_USD,
    }


def refusal(taken: Taken, tool: Tool | None) -> RateLimited:
    """The typed failure of a demand that was refused, with what to do next."""
    limit = taken.refused
    assert limit is not None, "only refused demands are explained"  # noqa: S101 - an invariant
    wait_s = -(-taken.wait_us // _MILLISECOND_US) / 1000
    name = tool.name if tool else "the request"
    kind = RateLimited
    # What a critical call would still have got was kept from one that can wait.
    if limit.reserved and taken.left[limit.name] >= limit.charge:
        kind, said = Shed, f"Little is left of {limit.name}, and {name} can wait. Repeat it in {wait_s:g} s."
    elif isinstance(limit, Rate):
        said = (
            f"Too many calls: {limit.name} is {limit.per_minute} a minute, {limit.burst} at once. "
            f"Wait {wait_s:g} s, then repeat the call."
        )
    elif isinstance(limit, Places):
        said = (
            f"Too many calls in progress: {limit.name} is {limit.most}. Wait for one of them to end, then repeat the "
            "call."
        )
    elif limit.name == "same_calls_per_minute":
        kind, said = LoopDetected, _looping(limit, name, wait_s)
    else:
        kind, said = OverBudget, _spent(limit, name, wait_s)
    return kind(said, wait_s, limit.name, **left(taken))


def _looping(limit: Budget, name: str, wait_s: float) -> str:
    return (
        f"{name} was called {limit.most} times within a minute with the same arguments, and its answer will not "
        "change by asking again. Use the answer you have, change the arguments, or tell the person you work for what "
        f"is missing. The same call is admitted again in {wait_s:g} s."
    )


def _spent(limit: Budget, name: str, wait_s: float) -> str:
    window_s = limit.window_us // 1_000_000
    if limit.name == "session_steps":
        what = f"{limit.most} requests in {window_s} s"
    else:
        what = f"{limit.most / MICRO_USD:.2f} USD in {window_s} s, and {name} costs {limit.charge / MICRO_USD:.2f}"
    return (
        f"The budget of this session does not allow the call: {limit.name} is {what}. Finish with what you have, or "
        f"ask the person you work for. It is whole again in {wait_s:g} s."
    )
