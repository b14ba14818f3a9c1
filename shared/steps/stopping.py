"""Switching off and on again: recorded durably before it counts, then told to every replica."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from shared.core.errors import NotFound, OutcomeUnknown, Unavailable
from shared.state import switch_table
from shared.state.bus import Bus
from shared.state.database import LOST, SET_CALLER
from shared.state.switch_table import TOPIC
from shared.state.switches import Kind, Switch
from shared.steps.audit.entry import Sink, now
from shared.steps.redaction import redact_for_audit

_FIELD_OF = {"user": "subject", "client": "client", "token": "token_id", "login": "session_id"}
"""Where in the record a name goes, so that it is found beside what the same user or client did."""

_Record = dict[str, Any]


@dataclass(frozen=True)
class What:
    """What to stop; `shared.state.switches` says which parts each kind has."""

    kind: Kind
    server: str | None = None
    name: str | None = None
    tenant: str | None = None
    issuer: str | None = None


@dataclass(frozen=True)
class Stopping:
    """Changes what is off.

    The record is durable before the change is committed: what cannot be recorded does not happen.

    Attributes:
        connection: Of the role `suite_operator`, or of the console's.
        sink: Where it is recorded.
        bus: Tells replicas at once; without it they see it within `switch_poll_s`.
        by: Who does it.
        tenant: Whose things alone, for the role of the console.
        agent: The program it is done with.
    """

    connection: Any
    sink: Sink
    bus: Bus | None
    by: str
    tenant: str | None = None
    agent: str = "mcp-suite"

    async def stop(self, what: What, reason: str, for_s: float | None = None) -> tuple[Switch, bool]:
        """Switch something off.

        Args:
            what: The thing.
            reason: Told to whoever is stopped, and kept in the audit.
            for_s: After so many seconds it ends by itself; None means when it is lifted.

        Returns:
            The switch, and whether that changed anything: what is off already for as long stays as it is.

        Raises:
            Unavailable: The change cannot be made, or not be recorded; nothing was changed.
            OutcomeUnknown: The connection was lost on the way.
        """
        parts = asdict(what)
        async with self._change() as recorded:
            switch, changed = await switch_table.stop(
                self.connection, parts.pop("kind"), reason=reason, set_by=self.by, for_s=for_s, **parts
            )
            if changed:
                await self._record(recorded, "stop", switch, reason)
        return switch, changed

    async def resume(self, switch_id: int, reason: str) -> Switch:
        """Switch on again; returns what was off.

        Raises:
            NotFound: There is no such switch, or its time was up.
            Unavailable: The change cannot be made, or not be recorded; nothing was changed.
            OutcomeUnknown: The connection was lost on the way.
        """
        async with self._change() as recorded:
            switch = await switch_table.lift(self.connection, switch_id)
            if switch is None:
                raise NotFound(f"Nothing is stopped under the number {switch_id}; `mcp-suite stops` lists what is.")
            await self._record(recorded, "resume", switch, reason)
        return switch

    @asynccontextmanager
    async def _change(self) -> AsyncGenerator[list[_Record]]:
        """A transaction, of which every replica is told; the body adds what it recorded."""
        recorded: list[_Record] = []
        try:
            async with self.connection.transaction():
                if self.tenant is not None:
                    await self.connection.execute(SET_CALLER, self.tenant, "{}")
                yield recorded
        except (*LOST, TimeoutError, OSError) as error:
            if not recorded:
                raise Unavailable("The database cannot be reached; nothing was changed. Repeat it.") from error
            with suppress(Unavailable):
                for record in recorded:
                    await self.sink.write({**record, "id": str(uuid4()), "at": now(), "outcome": "outcome_unknown"})
            message = "The connection was lost while the change was saved; `mcp-suite stops` tells whether it holds."
            raise OutcomeUnknown(message) from error
        if self.bus is not None:
            await self.bus.publish(TOPIC)

    async def _record(self, recorded: list[_Record], target: str, switch: Switch, reason: str) -> None:
        until = switch.expires_at.isoformat(timespec="seconds") if switch.expires_at else None
        parts = {"id": switch.id, "kind": switch.kind, "server": switch.server, "name": switch.name, "until": until}
        named = {_FIELD_OF[switch.kind]: switch.name} if switch.kind in _FIELD_OF else {}
        record: _Record = {
            **{"v": 1, "id": str(uuid4()), "at": now(), "kind": "switch", "server": "suite"},
            **{"target_kind": "switch", "target": target, "outcome": "ok", "actor": self.by, "agent": self.agent},
            **{"tenant": switch.tenant, "issuer": switch.issuer, "switch": parts, **named},
            **redact_for_audit({"reason": reason}).value,
        }
        await self.sink.write(record)
        recorded.append(record)
