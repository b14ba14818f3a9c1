"""What one replica began and another one goes on with, past the balancer: between two releases, in both directions."""

from dataclasses import dataclass
from time import time
from typing import Any
from uuid import uuid4

import anyio
import httpx

from compose.fleet.process import Process
from shared.core.approvals import ApprovalState
from shared.core.caller import Caller
from shared.core.settings import Settings
from shared.state.approvals.inbox import Inbox
from shared.state.database import open_database
from tests.e2e.fleet import Drill
from tests.harness import LEGACY, modern, modern_headers

YES = {"action": "accept", "content": {"confirmed": True}}
MACHINE: dict[str, Any] = {"sub": "acme-sync", "client_id": "acme-sync", "roles": ["service"]}
ABLE: dict[str, Any] = {"elicitation": {"form": {}}}
_DEADLINE_S = 20.0


@dataclass(frozen=True)
class Handover:
    """From the replica that begins to the one that goes on."""

    drill: Drill
    giver: Process
    taker: Process

    async def everything(self) -> None:
        await self.a_page()
        await self.a_write()
        await self.a_session()
        await self.a_question()
        await self.an_approval()

    async def a_page(self) -> None:
        """A cursor that the one sealed the other opens."""
        asked = {"query": "an", "limit": 2}
        first = await self._told(self.giver, "search_customers", asked)
        second = await self._told(self.taker, "search_customers", {**asked, "cursor": first["next_cursor"]})
        shown = [one["id"] for page in (first, second) for one in page["customers"]]
        assert len({*shown}) == 4

    async def a_write(self) -> None:
        """A write repeated at the other one is answered from the ledger, and not done again."""
        note = {"customer_id": "C-000001", "text": uuid4().hex, "idempotency_key": uuid4().hex}
        done = await self._told(self.giver, "add_customer_note", note)
        assert await self._told(self.taker, "add_customer_note", note) == done
        found = await self.drill.sql("SELECT FROM customers.notes WHERE text = $1", note["text"])
        assert len(found) == 1

    async def a_session(self) -> None:
        """A session of the 2025 era goes on at the other one."""
        client = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        opened = await self._legacy(self.giver, "initialize", client)
        session = opened.headers["mcp-session-id"]
        call = {"name": "get_customer", "arguments": {"customer_id": "C-000002"}}
        told = await self._legacy(self.taker, "tools/call", call, session)
        assert '"id":"C-000002"' in told.text.replace(" ", ""), told.text

    async def a_question(self) -> None:
        """A question that the one asked is answered at the other: what the client kept for it opens there."""
        token = self.drill.token("manager", acr="aal2", act={"sub": "acme-sync"}, client_id="acme-sync")
        call = {"name": "merge_customers", "arguments": await self._pair()}
        asked = (await self._call(self.giver, call, token))["result"]
        assert asked["resultType"] == "input_required", asked
        answers = dict.fromkeys(asked["inputRequests"], YES)
        again = {**call, "requestState": asked["requestState"], "inputResponses": answers}
        merged = (await self._call(self.taker, again, token))["result"]
        assert merged["structuredContent"]["duplicate"]["status"] == "archived", merged

    async def an_approval(self) -> None:
        """What the one had people asked for is one request at the other, too; decided, it is done once."""
        token = self.drill.token("manager", **MACHINE, acr="aal2", act={"sub": "acme-sales-manager"})
        call = {"name": "merge_customers", "arguments": {**await self._pair(), "idempotency_key": uuid4().hex}}
        waits = [await self._error(replica, call, token) for replica in (self.giver, self.taker)]
        [approval] = {told["details"]["approval_id"] for told in waits}
        await self._approve(approval)
        merged = (await self._call(self.taker, call, token))["result"]["structuredContent"]
        assert merged["duplicate"]["status"] == "archived", merged

    async def _approve(self, approval: str) -> None:
        pool = Settings(pool_min=1, pool_max=2)
        who = Caller(
            "acme-approver",
            issuer="https://idp.example",
            client="console",
            tenant="acme",
            scopes=frozenset({"approvals:decide"}),
            acr="aal2",
            auth_time=int(time()),
        )
        async with open_database(self.drill.urls.console, pool) as database:
            inbox = Inbox(database)
            kept = await inbox.one("acme", approval)
            assert kept is not None
            await inbox.decide("acme", approval, who, "approve", payload=kept.payload)
            with anyio.fail_after(_DEADLINE_S):
                while (now := await inbox.one("acme", approval)) is None or not now.state.ended:
                    await anyio.sleep(0.02)
        assert now.state is ApprovalState.DONE

    async def _pair(self) -> dict[str, Any]:
        """Two new customers that are one."""
        new = {"segment": "consumer", "country": "DE"}
        made = [await self._told(self.giver, "create_customer", {**new, "name": uuid4().hex}) for _ in range(2)]
        keep, gone = (one["customer"] for one in made)
        ids = {"keep_id": keep["id"], "duplicate_id": gone["id"]}
        return {**ids, "keep_version": keep["version"], "duplicate_version": gone["version"]}

    async def _told(self, replica: Process, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = (await self.drill.ask(replica, tool, arguments)).json()
        assert answer["result"]["isError"] is False, answer
        return answer["result"]["structuredContent"]

    async def _error(self, replica: Process, call: dict[str, Any], token: str) -> dict[str, Any]:
        return (await self._call(replica, call, token))["result"]["structuredContent"]["error"]

    async def _call(self, replica: Process, params: dict[str, Any], token: str) -> dict[str, Any]:
        """One modern call of a client that can ask its user."""
        body = modern("tools/call", params)
        body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = ABLE
        return (await self._post(replica, body, modern_headers("tools/call", params), token)).json()

    async def _legacy(
        self, replica: Process, method: str, params: dict[str, Any], session: str | None = None
    ) -> httpx.Response:
        headers = {"Accept": "application/json, text/event-stream"}
        if session is not None:
            headers |= {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        told = await self._post(replica, body, headers, self.drill.token())
        assert told.status_code == 200, told.text
        return told

    async def _post(
        self, replica: Process, body: dict[str, Any], headers: dict[str, str], token: str
    ) -> httpx.Response:
        host = self.drill.fleet.plan.base_url.partition("://")[2]
        url = f"http://127.0.0.1:{replica.port}/customers/mcp"
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            return await client.post(
                url, json=body, headers=headers | {"Host": host, "Authorization": f"Bearer {token}"}
            )
