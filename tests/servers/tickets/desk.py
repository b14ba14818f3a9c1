"""What tests of tickets have in common: one person's calls, and tickets to begin with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.harness import Suite


@dataclass(frozen=True)
class Desk:
    """Calls of one persona, over real HTTP."""

    suite: Suite
    persona: str = "manager"
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer, or `{"error": …}`."""
        return await self.suite.call(self.persona, tool, arguments, "tickets", **self.claims)

    async def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer, which is no failure."""
        answer = await self.call(tool, **arguments)
        assert "error" not in answer, answer
        return answer

    async def failure(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The error object, since it fails."""
        answer = await self.call(tool, **arguments)
        assert "error" in answer, answer
        return answer["error"]

    async def code(self, tool: str, **arguments: Any) -> str | None:
        """The code of the failure, if it was one."""
        answer = await self.call(tool, **arguments)
        return answer["error"]["code"] if "error" in answer else None

    async def read(self, uri: str) -> dict[str, Any]:
        """The result of `resources/read`, or the error of JSON-RPC."""
        token = self.suite.token(self.persona, "tickets", **self.claims)
        body = (await self.suite.post(token, "resources/read", {"uri": uri}, server="tickets")).json()
        return body.get("result") or {"error": body["error"]}

    async def ticket(self, **fields: Any) -> dict[str, Any]:
        """A new ticket."""
        wished = {"type": "question", "title": "How do I do it", "queue": "support", **fields}
        return (await self.told("create_ticket", **wished))["ticket"]

    async def opened(self, **fields: Any) -> dict[str, Any]:
        """A ticket that somebody works on."""
        made = await self.ticket(**fields)
        await self.told("assign_ticket", ticket_id=made["id"], version=1, assignee="me")
        return await self.move(made["id"], 2, "open")

    async def move(self, ticket_id: str, version: int, status: str, **more: Any) -> dict[str, Any]:
        """The ticket after a move."""
        moved = await self.told("transition_ticket", ticket_id=ticket_id, version=version, status=status, **more)
        return moved["ticket"]

    async def whole(self, ticket_id: str, **more: Any) -> dict[str, Any]:
        """The ticket with its comments."""
        return await self.told("get_ticket", ticket_id=ticket_id, **more)

    async def version(self, ticket_id: str) -> int:
        return (await self.whole(ticket_id))["ticket"]["version"]
