"""What an operator's command changes in a server's data, recorded and done as calls are: an intent that is durable
before the transaction begins, a row of the ledger in it that tells whether it was committed, and the outcome.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from shared.core.caller import LOCAL, Caller
from shared.core.request import Request
from shared.core.settings import Settings
from shared.core.tool import Answer, Call, Effect, Tool, WriteArguments
from shared.state.database import Database, Reads, Transaction
from shared.state.keys import Keys
from shared.steps import audit
from shared.steps.idempotency import Ledger
from shared.steps.redaction import redact_for_audit


class Done(Answer):
    """Kept in the ledger: the change was committed."""


@dataclass(frozen=True)
class Operation:
    """One run of a command.

    Attributes:
        by: The login of whoever runs it.
        tenant: Whose data it changes.
        target: The URI of what it changes, by which its records are found.
        command: Its name, as the audit shows it.
        options: What it was asked to do.
        run: Names the run in each of its records.
    """

    sink: audit.Sink
    database: Database
    keys: Keys
    settings: Settings
    server: str
    by: str
    tenant: str
    target: str
    command: str
    options: Mapping[str, Any]
    run: str = field(default_factory=lambda: str(uuid4()))

    def reads(self, rights: Sequence[str]) -> Reads:
        """What somebody of the tenant with these rights sees."""
        return self.database.reads(self.tenant, rights)

    @asynccontextmanager
    async def going(self) -> AsyncGenerator[dict[str, Any]]:
        """Surrounds the run: one record that it begins, and one of how it ended, with the facts the body leaves.

        Raises:
            Unavailable: That cannot be recorded.
        """
        async with audit.record(self.sink, self._request, self._caller) as entry:
            entry.facts |= self._facts({"step": "started"})
        facts: dict[str, Any] = {}
        async with audit.record(self.sink, self._request, self._caller) as entry:
            try:
                yield facts
            finally:
                entry.facts |= self._facts({"step": "ended", **facts})

    @asynccontextmanager
    async def change(self, rights: Sequence[str], facts: dict[str, Any]) -> AsyncGenerator[Transaction]:
        """One transaction. Whether it was committed is recorded even if this process dies: see
        `shared.steps.audit.recovery`.

        Args:
            rights: What row-level security asks of whoever writes.
            facts: What is about to be done, for the intent; for the outcome they are read again.

        Raises:
            Unavailable: It cannot be recorded, or the database is away; nothing was changed.
            OutcomeUnknown: The connection was lost during the commit.
        """
        ledger = Ledger(self.database, self.keys.ledger, self.settings, self.server, lambda _: rights)
        async with audit.record(self.sink, self._request, self._caller, _CHANGE) as entry:
            entry.facts |= self._facts(facts)
            async with ledger.once(entry, self._caller, _CHANGE, WriteArguments()) as slot:
                assert slot.transaction is not None  # noqa: S101 - it is a write
                yield slot.transaction
                slot.answer = Done()
                entry.facts |= self._facts(facts)

    @property
    def _request(self) -> Request:
        return Request(
            server=self.server, kind="resource", name=self.target, arguments=self.options, request_id=self.run,
            agent=f"mcp-suite {self.command}",
        )  # fmt: skip

    @property
    def _caller(self) -> Caller:
        """Whose own login counts: nobody else vouches for who sits at the machine."""
        return Caller(self.by, LOCAL, "mcp-suite", self.tenant, frozenset())

    def _facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        return {"transport": "command", "run": self.run, **{name: _masked(value) for name, value in facts.items()}}


def _masked(value: Any) -> Any:
    """Each of several by itself: all are named, however many there are."""
    if isinstance(value, list):
        return [_masked(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return redact_for_audit({"value": value}).value["value"]


async def _nothing(_call: Call, _query: WriteArguments) -> Done:
    return Done()


_CHANGE = Tool(
    name="operate",
    description="A change that an operator's command makes.",
    effect=Effect.WRITE,
    scopes=(),
    arguments=WriteArguments,
    answer=Done,
    run=_nothing,
)
