"""The treasury in one process, who asks it to pay, and who decides."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any
from uuid import uuid4

import anyio

from shared.core.approvals import ApprovalState, Kept, Verdict
from shared.core.caller import Caller
from shared.core.server import Server
from shared.state.approvals.inbox import Inbox
from shared.state.database import open_database
from shared.state.services import migrate
from tests.harness import Databases, Suite, open_suite
from tests.treasury.server import server

_DEADLINE_S = 15


@dataclass
class Treasury:
    """Of a suite, with the inbox of those who decide."""

    suite: Suite
    inbox: Inbox
    key: str = field(default_factory=lambda: uuid4().hex)

    async def pay(self, amount: int = 5000, *, persona: str = "manager", **more: Any) -> dict[str, Any]:
        """The answer of one payment, or its error object; `payee` and key are this treasury's own, unless given."""
        claims = more.pop("claims", {})
        arguments = {"payee": "printer", "idempotency_key": self.key, "amount": amount, **more}
        kept = {name: value for name, value in arguments.items() if value is not None}
        scopes = claims.pop("scopes", ["treasury:write"])
        told = await self.suite.call(persona, "pay", kept, "treasury", scopes=scopes, acr="aal2", **claims)
        return told.get("error", told)

    async def asked(self, amount: int = 5000, **more: Any) -> Kept:
        """A payment that waits for people."""
        told = await self.pay(amount, **more)
        assert told["code"] == "needs_approval", told
        kept = await self.inbox.one(more.get("claims", {}).get("tenant", "acme"), told["details"]["approval_id"])
        assert kept is not None
        return kept

    async def decide(self, kept: Kept, by: str = "acme-approver", verdict: Verdict = "approve", **more: Any) -> Kept:
        """What somebody decides, as the console puts it on record."""
        payload = more.pop("payload", kept.payload)
        return await self.inbox.decide(kept.tenant, kept.id, approver(by, **more.pop("who", {})), verdict,
                                       payload=payload, **more)  # fmt: skip

    async def settled(self, kept: Kept) -> Kept:
        """The approval once nothing more will come of it."""
        with anyio.fail_after(_DEADLINE_S):
            while True:
                now = await self.inbox.one(kept.tenant, kept.id)
                if now is None or now.state.ended:
                    assert now is not None
                    return now
                await anyio.sleep(0.02)

    async def payments(self, tenant: str = "acme", payee: str = "printer") -> list[tuple[int, str]]:
        rows = await self.suite.sql(
            "SELECT amount, note FROM treasury.payments WHERE tenant_id = $1 AND payee = $2", tenant, payee
        )
        return [(row["amount"], row["note"]) for row in rows]

    async def records(self, kept: Kept) -> list[dict[str, Any]]:
        """What the audit has of one approval, the newest first."""
        return [one for one in await self.suite.records(target="pay") if one.get("approval") == kept.id]

    def fresh(self) -> "Treasury":
        """The same with another key."""
        return Treasury(self.suite, self.inbox)


def approver(subject: str = "acme-approver", **more: Any) -> Caller:
    """Somebody who signed in at the console."""
    values: dict[str, Any] = {"issuer": "https://idp.example", "client": "console", "tenant": "acme", **more}
    return Caller(subject, scopes=frozenset({"approvals:decide"}), acr="aal2", auth_time=int(time()), **values)


@asynccontextmanager
async def open_treasury(
    databases: Databases, folder: Path, *, replicas: int = 1, beside: Sequence[Server] = (), **settings: Any
) -> AsyncGenerator[Sequence[Treasury]]:
    """Replicas over one database, with Redis where the settings name it; each serves those `beside` it, too."""
    urls = await databases.fresh()
    assert server.migrations
    await migrate(urls.owner, {server.name: server.migrations})
    async with AsyncExitStack() as stack:
        suites: list[Suite] = []
        for _ in range(replicas):
            name = {"public_url": suites[0].settings.base_url} if suites else {}
            opening = open_suite(urls, folder, databases.admin_url, served=[server, *beside], **{**name, **settings})
            suites.append(await stack.enter_async_context(opening))
        pool = suites[0].settings.model_copy(update={"pool_min": 1, "pool_max": 3})
        database = await stack.enter_async_context(open_database(urls.console, pool))
        yield [Treasury(suite, Inbox(database)) for suite in suites]


__all__ = ["ApprovalState", "Treasury", "approver", "open_treasury"]
