"""An outbox over a real database, a relay that delivers nothing, and workers that a test lets run."""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from compose.smtp.sink import Sink, open_sink
from servers.mail.delivering.queueing import NewMail, NewRecipient, enqueue, message_id
from servers.mail.delivering.worker import deliver
from shared.core.background import Background
from shared.core.settings import Settings
from shared.parts import Parts, open_parts
from shared.state.database import Database, connect
from shared.state.roles import Urls
from shared.steps.audit.digests import digest_of
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import verify
from shared.steps.audit.working import write_once
from tests.generous import LIMITS

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TENANT = "acme"
DESK = "desk@acme.example"

QUICK: dict[str, Any] = {"poll_s": 0.02, "retry_s": 0.05, "lease_s": 2, "breaker_open_s": 0.2}
"""Short times: what is waited for happens soon."""


def new_mail(*addresses: str, mail_id: str | None = None, **facts: Any) -> NewMail:
    mail_id = mail_id or "M-" + "".join(secrets.choice(ALPHABET) for _ in range(26))
    named = message_id(mail_id, DESK)
    told: dict[str, Any] = {
        **{"sender": "desk", "envelope_from": DESK, "subject": "A test", "text": "Hello"},
        **{"created_by": "acme-sales-agent", "issuer": "https://idp.example", "client": "desk-agent"},
        **facts,
    }
    to = [NewRecipient(kind="to", address=address) for address in addresses or ("ada@example.com",)]
    mime = f"Message-ID: {named}\r\nFrom: {DESK}\r\nSubject: A test\r\n\r\nHello\r\n".encode()
    return NewMail(id=mail_id, message_id=named, recipients=to, mime=mime, **told)


@dataclass
class Outbox:
    urls: Urls
    parts: Parts
    sink: Sink
    changed: list[str] = field(default_factory=list[str])

    @property
    def database(self) -> Database:
        return self.parts.database

    @property
    def background(self) -> Background:
        async def tell(_tenant: str, uris: Sequence[str]) -> None:
            self.changed.extend(uris)

        record = partial(write_once, self.database, self.parts.writer, "mail")
        digest = partial(digest_of, self.parts.keys.audit)
        return Background(self.database, tell, settings=self.parts.settings, put_on_record=record, keyed_digest=digest)

    async def put(self, *mails: NewMail, tenant: str = TENANT) -> list[str]:
        async with self.database.transaction(tenant) as transaction:
            await enqueue(transaction, mails)
        return [mail.id for mail in mails]

    async def sql(self, statement: str, *values: Any, tenant: str = TENANT) -> list[Any]:
        """As the application, for a tenant."""
        async with self.database.transaction(tenant) as transaction:
            return await transaction.connection.fetch(statement, *values)

    async def mail(self, mail_id: str) -> Any:
        [row] = await self.sql("SELECT * FROM mail.mails WHERE id = $1", mail_id)
        return row

    async def states(self) -> dict[str, int]:
        rows = await self.sql("SELECT state, count(*) AS n FROM mail.mails GROUP BY state")
        return {row["state"]: row["n"] for row in rows}

    async def attempts(self, mail_id: str) -> list[str]:
        rows = await self.sql("SELECT outcome FROM mail.attempts WHERE mail_id = $1 ORDER BY attempt", mail_id)
        return [row["outcome"] for row in rows]

    async def queued(self) -> int:
        [row] = await self.sql("SELECT count(*) FROM mail.queue")
        return row["count"]

    async def records(self, mail_id: str | None = None) -> list[dict[str, Any]]:
        """What the audit has of mails, the oldest first."""
        connection = await connect(self.urls.reader, "test")
        try:
            found = await query(connection, Filter(target=mail_id, limit=10_000))
        finally:
            await connection.close()
        return [record for record in reversed(found) if record["kind"] == "work"]

    async def told(self, mail_id: str) -> list[str]:
        return [record["outcome"] for record in await self.records(mail_id)]

    async def problems(self) -> Sequence[Any]:
        connection = await connect(self.urls.reader, "test")
        try:
            return (await verify(connection, self.parts.keys.audit)).problems
        finally:
            await connection.close()

    @asynccontextmanager
    async def working(self, workers: int = 1) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as tasks:
            for _ in range(workers):
                tasks.start_soon(deliver, self.background)
            yield
            tasks.cancel_scope.cancel()

    async def settled(self) -> None:
        """Work until nothing is left to do."""
        async with self.working():
            await until(self._empty)

    async def _empty(self) -> bool:
        return await self.queued() == 0


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 40) -> None:
    with anyio.fail_after(within_s):
        while not await condition():
            await anyio.sleep(0.01)


@asynccontextmanager
async def open_outbox(
    urls: Urls,
    folder: Path,
    sink: Sink | None = None,
    *,
    delivery: dict[str, Any] | None = None,
    relay: bool = True,
    **smtp: Any,
) -> AsyncGenerator[Outbox]:
    async with open_sink(sink) as opened:
        reached = {"host": "127.0.0.1", "port": opened.port, "security": "none", "ehlo": "test", **smtp}
        values: dict[str, Any] = {**LIMITS, "pool_min": 2, "data_dir": folder, "smtp": reached if relay else {}}
        settings = Settings(**values, mail={**QUICK, **(delivery or {})})  # pyright: ignore[reportArgumentType] - as the environment would give it
        async with open_parts(settings, urls.app) as parts:
            yield Outbox(urls, parts, opened)
