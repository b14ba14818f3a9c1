"""The tools of the customers server, run as the pipeline runs them, over a real database as the application role."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from servers.customers.server import server
from shared.core.caller import Caller
from shared.core.settings import Settings
from shared.core.tool import Call, Effect, Queries, Tool
from shared.state.cursors import SealedCursors
from shared.state.database import Database
from shared.state.jobs.book import Book
from shared.state.jobs.worker import Worker
from shared.state.keys import KeyRing
from shared.steps.redaction import redact

tools = server.tools
RING = KeyRing([b"k" * 32])
ALL = "customers:write customers:pii"


def caller(tenant: str = "acme", scopes: str = ALL, subject: str = "user") -> Caller:
    return Caller(subject, "https://idp.example", "client", tenant, Caller.granted(scopes))


def call_of(tool: Tool, who: Caller, database: Database | Queries, transaction: Queries | None = None) -> Call:
    """A call over a database; or over nothing but reads, and then without jobs."""
    cursors = SealedCursors(RING, who, tool.name)
    if not isinstance(database, Database):
        return Call(who, database, cursors, "request", transaction)
    call = Call(who, database.reads(who.tenant), cursors, "request", transaction)
    call.open_jobs = Book(database, server.name, server.work, 86_400).of(call, tool.name, ())
    return call


async def _untold(_server: str, _tenant: str, _uris: Sequence[str]) -> None: ...


@dataclass
class Desk:
    database: Database

    async def ask(
        self,
        name: str,
        /,
        *,
        tenant: str = "acme",
        scopes: str = ALL,
        subject: str = "user",
        dry_run: bool = False,
        **arguments: Any,
    ) -> Any:
        """The typed answer of a tool."""
        tool, who = tools.tools[name], caller(tenant, scopes, subject)
        assert all(who.may(scope) for scope in tool.scopes)
        query = tool.parse(arguments | ({"dry_run": True} if dry_run else {}))
        if tool.effect is Effect.READ:
            return await tool.run(call_of(tool, who, self.database), query)
        async with self.database.transaction(tenant) as transaction:
            if dry_run:
                transaction.discard()
            return await tool.run(call_of(tool, who, self.database, transaction), query)

    async def work(self) -> int:
        """Do what jobs are due; how many turns there were."""
        worker, turns = Worker(self.database, _untold, Settings(), [server]), 0
        while (taken := await worker.take()) is not None:
            await worker.run(taken)
            turns += 1
        return turns

    async def made(self, *, tenant: str = "acme", **fields: Any) -> Any:
        """A new customer."""
        new: dict[str, Any] = {"name": "Some Body", "country": "DE", "segment": "consumer", **fields}
        return (await self.ask("create_customer", tenant=tenant, **new)).customer

    async def terms(self, customer_id: str, tenant: str = "acme") -> list[tuple[Any, ...]]:
        """What the customer is found by."""
        async with self.database.transaction(tenant) as transaction:
            rows = await transaction.connection.fetch(
                "SELECT term, name, status, segment, country FROM customers.search_terms "
                "WHERE customer_id = $1 ORDER BY term",
                customer_id,
            )
        return [tuple(row) for row in rows]

    async def shown(self, name: str, /, *, tenant: str = "acme", scopes: str = ALL, **arguments: Any) -> Any:
        """The answer as that caller sees it, as JSON."""
        answer = await self.ask(name, tenant=tenant, scopes=scopes, **arguments)
        return redact(answer, caller(tenant, scopes)).value

    async def walk(self, **arguments: Any) -> list[str]:
        """The ids of every page of a search, in order."""
        ids: list[str] = []
        cursor: str | None = None
        for _ in range(200):
            page = await self.ask("search_customers", **arguments, cursor=cursor)
            ids += [found.id for found in page.customers]
            cursor = page.next_cursor
            if cursor is None:
                return ids
        raise AssertionError("the search has no end")
