"""Ends the sessions of the 2025 era of whoever is stopped."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import orjson
import structlog

from shared.core.caller import Caller
from shared.core.errors import Unavailable
from shared.edge.sessions.underway import TOPIC
from shared.state.bus import Bus
from shared.state.sessions import Session, Sessions
from shared.state.switches import Switch, Switches

log = structlog.get_logger("sessions")

_AGAIN_S = 1.0
_OF_CREDENTIALS = {"token", "login"}
"""A session belongs to a user and a client, whichever of their logins opened it; nobody uses it with a revoked one."""


class Stopped:
    """Looks through the sessions whenever somebody new is stopped.

    Every replica does, whoever changed the switch and however it heard of it; a session ends once.
    """

    def __init__(self, switches: Switches, sessions: Sessions, bus: Bus) -> None:
        self._switches = switches
        self._sessions = sessions
        self._bus = bus
        self._wake = anyio.Event()

    def hear(self, added: Sequence[Switch]) -> None:
        """What was stopped; see `Switches.on_change`."""
        if any(not switch.server and switch.kind not in _OF_CREDENTIALS for switch in added):
            self._wake.set()

    async def run(self) -> None:
        """End sessions until cancelled. While Redis is away it is tried again; their requests are refused anyway."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            try:
                await self._end_all()
            except Unavailable:
                log.warning("sessions of who was stopped could not be ended, will try again")
                self._wake.set()
                await anyio.sleep(_AGAIN_S)
            except Exception:  # the boundary of background work, as protocol.py is that of calls
                log.exception("ending sessions of who was stopped failed")

    async def _end_all(self) -> None:
        for session in await self._sessions.listed():
            if self._switches.suspended(_opener(session)) is not None:
                if await self._sessions.end(session.tenant, session.handle):
                    log.info("a session ended, since who opened it is stopped", session=session.handle)
                await self._bus.publish(TOPIC, orjson.dumps({"ended": session.handle}))


@asynccontextmanager
async def ending_stopped(switches: Switches, sessions: Sessions, bus: Bus) -> AsyncGenerator[None]:
    """Do so as long as the context lasts."""
    stopped = Stopped(switches, sessions, bus)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stopped.run)
        with switches.on_change(stopped.hear):
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()


def _opener(session: Session) -> Caller:
    """As much of the caller as a session tells."""
    return Caller(
        subject=session.subject,
        issuer=session.issuer,
        client=session.client,
        tenant=session.tenant,
        scopes=frozenset(),
    )
