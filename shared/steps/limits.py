from hashlib import blake2b
from typing import Protocol
from urllib.parse import quote

import orjson

from shared.core.caller import Caller
from shared.core.errors import RateLimited
from shared.core.settings import Settings
from shared.core.tool import Tool
from shared.state.counters import Counters, Limit

_MILLISECOND_US = 1000


class Limiter(Protocol):
    """What decides whether a call may go on, before anything of it is parsed or done."""

    async def admit(self, caller: Caller, tool: Tool | None) -> None:
        """Charge the call: to the caller, and to the caller's use of the tool if it is one the caller may use.

        Raises:
            RateLimited: Too many calls; it says which limit, and when the next is admitted.
            Unavailable: Limits cannot be checked, so nothing is let through.
        """
        ...


class RateLimits:
    """A rate for the caller over all tools, and one for the caller and tool, decided together."""

    def __init__(self, counters: Counters, settings: Settings, server: str) -> None:
        self._counters = counters
        self._settings = settings
        self._server = server

    async def admit(self, caller: Caller, tool: Tool | None) -> None:
        refusal = await self._counters.take(self._limits(caller, tool))
        if refusal is None:
            return
        wait_s = -(-refusal.retry_after_us // _MILLISECOND_US) / 1000
        limit = refusal.limit
        raise RateLimited(
            f"Too many calls: {limit.name} is {limit.per_minute} a minute, {limit.burst} at once. "
            f"Wait {wait_s:g} s, then repeat the call.",
            wait_s,
            limit.name,
        )

    def _limits(self, caller: Caller, tool: Tool | None) -> list[Limit]:
        settings = self._settings
        own = f"suite:{{{quote(caller.tenant, safe='')}}}:rate:{_digest(caller)}"
        limits = [Limit(own, "calls_per_minute", settings.calls_per_minute, settings.burst)]
        if tool is not None:
            its = f"{own}:{self._server}.{tool.name}"
            limits.append(Limit(its, "tool_calls_per_minute", settings.tool_calls_per_minute, settings.burst))
        return limits


def _digest(caller: Caller) -> str:
    """Who calls, without saying so: a key must not carry personal data, and a subject is often an address.

    The client is left out: whoever can register one would get a fresh allowance with each.
    """
    identity = orjson.dumps([caller.issuer, caller.subject])
    return blake2b(identity, digest_size=16).hexdigest()
