"""What a call asks of the limits: whose allowances it counts in, and how much of each."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

import orjson

from shared.core.caller import Caller
from shared.core.request import Request
from shared.core.settings import Settings
from shared.core.tool import Tool
from shared.state.counters import Budget, Demand, Places, Rate

MICRO_USD = 1_000_000

_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US
_HELD_BESIDES_S = 30
"""Of a lease, besides the tool's deadline: waiting for connections, for a twin, and for the record to be durable."""
_REMEMBERED = 4096
_AT_ONCE = 10
"""Of a rate that many share, this part of a minute's calls may come at once."""
_REPEATABLE = {"tool", "resource", "prompt"}
"""Lists are asked for at every connection, and a person who types repeats a completion."""


class Demands:
    """The demands of one server's calls; those of a caller and tool are made once and kept, the latest used longest."""

    def __init__(self, settings: Settings, server: str) -> None:
        self._settings = settings
        self._server = server
        self._known: dict[tuple[str | None, ...], Demand] = {}

    def of(self, caller: Caller, kind: str, tool: Tool | None) -> Demand:
        """What a call of the tool asks for, or a request for none the caller may use."""
        who = (caller.tenant, caller.issuer, caller.subject, caller.client, caller.session_id)
        key = (*who, kind, tool.name if tool else None)
        known = self._known.pop(key, None) or self._make(caller, kind, tool)
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = known
        return known

    def _make(self, caller: Caller, kind: str, tool: Tool | None) -> Demand:
        settings = self._settings
        # One slot of a cluster for a whole tenant; what could end the hash tag early is quoted.
        tenant = f"suite:{{{quote(caller.tenant, safe='')}}}"
        own = digest(caller.issuer, caller.subject)
        waits = tool is not None and tool.deferrable
        deadline_s = tool.deadline_s if tool and tool.deadline_s else settings.deadline_s
        again = Budget(f"{tenant}:again:{own}:", "same_calls_per_minute", settings.same_calls_per_minute, 1, _MINUTE_US)
        return Demand(
            rates=self._rates(tenant, own, caller, tool),
            places=(
                self._places(f"{tenant}:now", "tenant_concurrent_calls", settings.tenant_concurrent_calls, waits),
                self._places(f"{tenant}:now:{own}", "concurrent_calls", settings.concurrent_calls, waits),
            ),
            budgets=self._budgets(tenant, caller, tool.cost if tool else 0, waits),
            again=None if tool is None or tool.polls or kind not in _REPEATABLE else again,
            hold_us=int((deadline_s + _HELD_BESIDES_S) * _SECOND_US),
        )

    def _rates(self, tenant: str, own: str, caller: Caller, tool: Tool | None) -> tuple[Rate, ...]:
        settings = self._settings
        waits = tool is not None and tool.deferrable
        # The caller's own come before those it shares: of two that ask for the same wait, it is told of its own.
        rates = [Rate(f"{tenant}:rate:{own}", "calls_per_minute", settings.calls_per_minute, settings.burst)]
        if tool is not None:
            its = f"{tenant}:rate:{own}:{self._server}.{tool.name}"
            rates.append(Rate(its, "tool_calls_per_minute", settings.tool_calls_per_minute, settings.burst))
        client = f"{tenant}:rate:client:{digest(caller.issuer, caller.client)}"
        rates.append(self._shared(client, "client_calls_per_minute", settings.client_calls_per_minute))
        rates.append(self._shared(f"{tenant}:rate", "tenant_calls_per_minute", settings.tenant_calls_per_minute, waits))
        if tool is not None and tool.uses:
            per_minute = settings.resource_calls_per_minute_of.get(tool.uses, settings.resource_calls_per_minute)
            rates.append(self._shared(f"{tenant}:rate:uses:{tool.uses}", f"{tool.uses}_calls_per_minute", per_minute))
        return tuple(rates)

    def _shared(self, key: str, name: str, per_minute: int, waits: bool = False) -> Rate:
        burst = max(per_minute // _AT_ONCE, 1)
        return Rate(key, name, per_minute, burst, self._reserved(burst, waits))

    def _places(self, key: str, name: str, most: int, waits: bool) -> Places:
        return Places(key, name, most, self._reserved(most, waits))

    def _budgets(self, tenant: str, caller: Caller, cost_usd: float, waits: bool) -> tuple[Budget, ...]:
        settings = self._settings
        steps, cost = settings.session_steps, round(settings.session_cost_usd * MICRO_USD)
        charge, window = round(cost_usd * MICRO_USD), settings.session_window_s * _SECOND_US
        owner = session(caller)
        return (
            Budget(f"{tenant}:steps:{owner}", "session_steps", steps, 1, window, self._reserved(steps, waits)),
            Budget(f"{tenant}:cost:{owner}", "session_cost_usd", cost, charge, window, self._reserved(cost, waits)),
        )

    def _reserved(self, most: int, waits: bool) -> int:
        """What a call that can wait must leave to others; never all there is."""
        return most - max(most * self._settings.shed_percent // 100, 1) if waits and most else 0


def digest(*words: str | None) -> str:
    """Words without saying them: a key must not carry personal data, and a subject is often an address."""
    return blake2b(orjson.dumps(words), digest_size=16).hexdigest()


def session(caller: Caller) -> str:
    """Whose steps and money are counted together: nothing that a client chooses, or could have anew at will.

    So not the client (whoever can register one would get a fresh budget with each), not an MCP session and not the
    token's `jti`; only the login that the identity provider names.
    """
    return digest(caller.issuer, caller.subject, caller.session_id)


def repeated(server: str, request: Request, tool: Tool) -> str:
    """The same for the same call: what is asked, with what, and what the caller's user answered meanwhile.

    The idempotency key is left out. A retry after a lost reply repeats it, and a loop may invent a new one each time.
    """
    arguments: Mapping[str, Any] = request.arguments
    if "idempotency_key" in arguments:
        arguments = {name: value for name, value in arguments.items() if name != "idempotency_key"}
    call = [server, request.kind, tool.name, arguments, request.answers]
    try:
        said = orjson.dumps(call, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number or text that JSON cannot carry: refused later, and a call like any other until then
        said = repr(call).encode(errors="surrogatepass")
    return blake2b(said, digest_size=16).hexdigest()
