"""What tests of mail have in common: one person's calls, and the yes of whoever is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.harness import Suite, modern, modern_headers

ABLE: dict[str, Any] = {"elicitation": {"form": {}}}
YES = {"action": "accept", "content": {"confirmed": True}}
NO = {"action": "accept", "content": {"confirmed": False}}
THERE = "email IS NOT NULL AND status <> 'archived' AND merged_into IS NULL"


@dataclass(frozen=True)
class Mailroom:
    """Calls of one persona, over real HTTP.

    Attributes:
        said: What they say when they are asked whether it shall be done.
    """

    suite: Suite
    persona: str = "manager"
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])
    said: Mapping[str, Any] = field(default_factory=lambda: YES)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer, or `{"error": …}`; a question is answered."""
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        result = await self._sent(params)
        if result.get("resultType") == "input_required":
            [key] = result["inputRequests"]
            again = {**params, "requestState": result["requestState"], "inputResponses": {key: self.said}}
            result = await self._sent(again)
        return result.get("structuredContent", result)

    async def _sent(self, params: dict[str, Any]) -> dict[str, Any]:
        body = modern("tools/call", params)
        body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = ABLE
        token = self.suite.token(self.persona, "mail", **self.claims)
        headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token}"}
        async with self.suite.http() as http:
            answer = (await http.post(self.suite.url("mail"), json=body, headers=headers)).json()
        return answer["result"] if "result" in answer else {"error": answer["error"].get("data", answer["error"])}

    async def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer, which is no failure."""
        answer = await self.call(tool, **arguments)
        assert not {"error", "code"} & answer.keys(), answer
        return answer

    async def failure(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The error object, since it fails."""
        answer = await self.call(tool, **arguments)
        assert "error" in answer, answer
        return answer["error"]

    async def read(self, uri: str) -> dict[str, Any]:
        """The result of `resources/read`, or the error of JSON-RPC."""
        token = self.suite.token(self.persona, "mail", **self.claims)
        body = (await self.suite.post(token, "resources/read", {"uri": uri}, server="mail")).json()
        return body.get("result") or {"error": body["error"]}

    async def draft(self, **fields: Any) -> dict[str, Any]:
        """A new draft."""
        wished = {
            "sender": "support",
            "to": ["ada@customer.example"],
            "subject": "Hello",
            "text": "Good day.",
            **fields,
        }
        return (await self.told("draft_email", **wished))["draft"]

    async def sent(self, **fields: Any) -> dict[str, Any]:
        """A mail that is on its way."""
        wished = {
            "sender": "support",
            "to": ["ada@customer.example"],
            "subject": "Hello",
            "text": "Good day.",
            **fields,
        }
        return await self.told("send_email", **wished)


async def customers(suite: Suite, most: int = 1, where: str = THERE) -> list[str]:
    """Ids of customers of acme."""
    statement = f"SELECT id FROM customers.customers WHERE tenant_id = 'acme' AND {where} ORDER BY id LIMIT {most}"
    return [row["id"] for row in await suite.sql(statement)]


async def address_of(suite: Suite, customer_id: str) -> str:
    [row] = await suite.sql("SELECT email FROM customers.customers WHERE tenant_id = 'acme' AND id = $1", customer_id)
    return row["email"]
