"""Sessions of who is stopped end, also when nobody can end them at first."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import anyio
import orjson
import pytest

from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.edge.sessions import stopped
from shared.edge.sessions.stopped import ending_stopped
from shared.state.local_bus import LocalBus
from shared.state.local_sessions import LocalSessions
from shared.state.sessions import Session
from shared.state.switches import Switch, Switches
from tests.stores import a_session, another

pytestmark = pytest.mark.anyio


class Away(LocalSessions):
    """Sessions that cannot be reached until the second time they are asked for."""

    asked = 0

    async def listed(self, tenant: str | None = None, subject: str | None = None) -> Sequence[Session]:
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("Sessions cannot be reached right now; retry in a moment.")
        return await super().listed(tenant, subject)


def off(kind: str, **parts: str) -> Switch:
    empty = dict.fromkeys(("server", "name", "tenant", "issuer"))
    at = datetime(2026, 11, 21, tzinfo=UTC)
    given: dict[str, Any] = {**empty, **parts}
    return Switch(id=1, kind=kind, reason="a leak", set_by="ops", set_at=at, **given)


async def test_they_end_once_they_can_be_ended_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopped, "_AGAIN_S", 0.01)
    bus, switches = LocalBus(), Switches()
    sessions = Away(bus, Settings())
    mine = a_session()
    theirs = another(mine, subject="joe")
    for one in (mine, theirs):
        await sessions.open(one, most=10, replace=True)
    async with bus.listening("sessions") as said, ending_stopped(switches, sessions, bus):
        switches.replace([off("user", name=mine.subject, tenant=mine.tenant)])
        assert orjson.loads(await said.next(10) or b"") == {"ended": mine.handle}
    assert await sessions.listed() == [theirs]


async def test_nobody_looks_through_sessions_for_what_ends_none() -> None:
    bus, switches = LocalBus(), Switches()
    sessions = Away(bus, Settings())
    async with ending_stopped(switches, sessions, bus):
        for switch in (off("tool", server="customers", name="merge"), off("token", name="jti"), off("login", name="s")):
            switches.replace([switch])
            switches.replace([])
        await anyio.wait_all_tasks_blocked()
    assert sessions.asked == 0
