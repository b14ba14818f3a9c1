"""What is switched off, and the check that every request makes without asking anybody.

A switch stops one of these, until it is lifted or its time is up:

    tool      a tool, a resource template or a prompt of one server; for all, or for one tenant
    server    everything of one server; for all, or for one tenant
    client    a program, also where it acts for others; everywhere, or in one tenant
    user      a subject of a tenant, also where it acts for others
    tenant    everybody of it
    token     one access token, by its `jti`
    login     all tokens of one login at the identity provider, by its `sid`

What stops a tool or a server hides it. PostgreSQL keeps them (`switch_table.py`); each process holds a copy
(`switch_watch.py`).
"""

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import structlog

from shared.core.caller import Caller
from shared.core.errors import Suspended

Kind = Literal["tool", "server", "client", "user", "tenant", "token", "login"]
KINDS: tuple[Kind, ...] = get_args(Kind)

OnChange = Callable[[Sequence["Switch"]], None]

_Key = tuple[str, str | None, str | None, str | None]
"""Kind, name, tenant, issuer."""

_EVERYBODY: _Key = ("everybody", None, None, None)

log = structlog.get_logger("switches")


@dataclass(frozen=True, slots=True)
class Switch:
    """One thing that is off.

    Attributes:
        id: What `mcp-suite resume` names it by.
        kind: One of `KINDS`, or a word that only a newer version knows.
        server: Of a tool or server.
        name: Of the tool or client; the subject, `jti` or `sid`.
        tenant: Whom it is off for, or whose user it is; None for every tenant.
        issuer: Who vouches for the client, user, token or login; None for every issuer.
        reason: Told to whoever is stopped.
        set_by: Who stopped it.
        expires_at: When it ends by itself, by the database's clock; None if never.
        left_s: How long that is from when it was read, so that no replica's clock counts.
    """

    id: int
    kind: str
    server: str | None
    name: str | None
    tenant: str | None
    issuer: str | None
    reason: str
    set_by: str
    set_at: datetime
    expires_at: datetime | None = None
    left_s: float | None = None


class Switches:
    """What is off, as this process knows it; without anything loaded, nothing is.

    All of it belongs to the event loop's thread. Checks are dictionary look-ups, and cost next to nothing while
    nothing is off.

    Args:
        clock: Seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._version = 0
        self._held: dict[Switch, float] = {}
        """When each ends, by the clock."""
        self._next_end = math.inf
        self._hidden: frozenset[tuple[str, str | None, str | None]] = frozenset()
        """Server, target (None for all of them), tenant (None for all of them)."""
        self._stopped: dict[_Key, Switch] = {}
        self._callbacks: dict[object, OnChange] = {}

    @property
    def version(self) -> int:
        """Another number after every change, be it that a time was up; within this process only."""
        self._let_end()
        return self._version

    def hides(self, server: str, target: str, caller: Caller) -> bool:
        """Whether the server, or this tool, resource template, prompt or completion of it, is off for the caller.

        Args:
            server: Its name.
            target: The name of the `Tool`.
            caller: Whose tenant counts.
        """
        self._let_end()
        hidden = self._hidden
        if not hidden:
            return False
        tenant = caller.tenant
        return (
            (server, target, None) in hidden
            or (server, None, None) in hidden
            or (server, target, tenant) in hidden
            or (server, None, tenant) in hidden
        )

    def suspended(self, caller: Caller) -> Suspended | None:
        """What to raise if the user, client or tenant is stopped, or one who acts for them; or if the token or login
        was revoked after it was verified.
        """
        self._let_end()
        stopped = self._stopped
        if not stopped:
            return None
        for key in (*_keys(caller), *_credentials(caller)):
            if (switch := stopped.get(key)) is not None:
                return _told(switch)
        return None

    def revoked(self, caller: Caller) -> bool:
        """Whether the caller's token or login was revoked."""
        self._let_end()
        stopped = self._stopped
        return bool(stopped) and any(key in stopped for key in _credentials(caller))

    def replace(self, found: Iterable[Switch]) -> None:
        """Take over what PostgreSQL holds. Whoever asked to be told hears what is new; lifting is news to nobody."""
        now = self._clock()
        held = {switch: math.inf if switch.left_s is None else now + switch.left_s for switch in found}
        before = {_same(switch) for switch in self._held}
        added = [switch for switch in held if _same(switch) not in before]
        for switch in added:
            if _breadth(switch) is not None:
                log.error(
                    "a switch is not understood and taken as broadly as it can be meant; update this replica",
                    switch=switch.id,
                    kind=switch.kind,
                    stops=_breadth(switch),
                )
        if added or len(held) != len(self._held):
            self._hold(held)
        for callback in [*self._callbacks.values()] if added else ():
            callback(added)

    @contextmanager
    def on_change(self, callback: OnChange) -> Generator[None]:
        """Call `callback` with what was stopped, once it is, for as long as the context lasts.

        It is called in the event loop, so it must not wait. What it raises is not caught.
        """
        key = object()
        self._callbacks[key] = callback
        try:
            yield
        finally:
            del self._callbacks[key]

    def _let_end(self) -> None:
        if self._clock() >= self._next_end:
            now = self._clock()
            self._hold({switch: ends for switch, ends in self._held.items() if ends > now})

    def _hold(self, held: dict[Switch, float]) -> None:
        self._held = held
        self._next_end = min(held.values(), default=math.inf)
        self._hidden = frozenset(_hiding(held))
        self._stopped = {key: switch for switch in held for key in _stopping(switch)}
        self._version += 1


def _same(switch: Switch) -> tuple[Any, ...]:
    """What two readings of one row have in common, and a changed row has not."""
    return switch.id, switch.set_at, switch.expires_at


def _breadth(switch: Switch) -> str | None:
    """What a switch that is not understood is taken for; None if it is.

    Every column can only narrow what is meant, so what a newer version wrote is read by those that we know: nothing
    that it stops may run on here.
    """
    whole = {
        "tool": switch.server and switch.name,
        "server": switch.server,
        "tenant": switch.tenant,
        "user": switch.tenant and switch.name,
        **dict.fromkeys(("client", "token", "login"), switch.name),
    }
    if whole.get(switch.kind):
        return None
    if switch.server:
        return f"server {switch.server}"
    return f"tenant {switch.tenant}" if switch.tenant else "everybody"


def _hiding(switches: Iterable[Switch]) -> Iterator[tuple[str, str | None, str | None]]:
    for switch in switches:
        if switch.server:
            is_tool = switch.kind == "tool" and bool(switch.name)
            yield switch.server, switch.name if is_tool else None, switch.tenant


def _stopping(switch: Switch) -> Iterator[_Key]:
    if _breadth(switch) is None:
        if switch.kind not in {"tool", "server"}:
            yield switch.kind, switch.name, switch.tenant, switch.issuer
    elif not switch.server:
        yield ("tenant", None, switch.tenant, None) if switch.tenant else _EVERYBODY


def _keys(caller: Caller) -> Iterator[_Key]:
    """Every switch that would stop the caller, the broadest first."""
    tenant, issuer = caller.tenant, caller.issuer
    yield _EVERYBODY
    yield "tenant", None, tenant, None
    for client in (caller.client, *caller.actors):
        for where in (None, tenant):
            yield "client", client, where, None
            yield "client", client, where, issuer
    for subject in (caller.subject, *caller.actors):
        yield "user", subject, tenant, None
        yield "user", subject, tenant, issuer


def _credentials(caller: Caller) -> Iterator[_Key]:
    for kind, name in (("token", caller.token_id), ("login", caller.session_id)):
        if name is not None:
            yield kind, name, None, None
            yield kind, name, None, caller.issuer


_STOPPED = {
    "tenant": "An administrator stopped all access of this tenant",
    "client": "An administrator stopped the program that makes this call",
    "user": "An administrator stopped the user who makes this call",
    "token": "The token of this call was revoked",
    "login": "The login of this call was revoked",
}


def _told(switch: Switch) -> Suspended:
    """The failure, with the reason; of what is not understood only that it is."""
    what = _STOPPED.get(switch.kind) if _breadth(switch) is None else None
    if what is None:
        message = (
            "An administrator stopped something that this server does not understand yet, so it refuses whatever may "
            "be meant. Do not repeat the call; tell them."
        )
        return Suspended(message, stopped="unknown")
    until = switch.expires_at.isoformat(timespec="seconds") if switch.expires_at else None
    lifted = f"until {until}" if until else "until they lift it"
    if switch.kind in {"token", "login"}:
        message = f"{what}: {switch.reason}. Sign in again."
        return Suspended(message, stopped=switch.kind, reason=switch.reason)
    message = f"{what}, {lifted}: {switch.reason}. Do not repeat the call; ask them."
    return Suspended(message, stopped=switch.kind, reason=switch.reason, until=until)
