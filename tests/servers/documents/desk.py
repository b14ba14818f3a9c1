"""What tests of documents have in common: one person's calls, and documents to begin with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.harness import Suite


@dataclass(frozen=True)
class Desk:
    """Calls of one persona, over real HTTP."""

    suite: Suite
    persona: str = "manager"
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer, or `{"error": …}`."""
        return await self.suite.call(self.persona, tool, arguments, "documents", **self.claims)

    async def put(self, uri: str, content: str = "# Text\n\nWords.\n", **more: Any) -> dict[str, Any]:
        """The document as it was written."""
        answer = await self.call("put_document", uri=uri, content=content, **more)
        assert "error" not in answer, answer
        return answer["document"]

    async def code(self, tool: str, **arguments: Any) -> str | None:
        """The code of the failure, if it was one."""
        answer = await self.call(tool, **arguments)
        return answer["error"]["code"] if "error" in answer else None

    async def read(self, uri: str, meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The result of `resources/read`, or the error of JSON-RPC."""
        token = self.suite.token(self.persona, "documents", **self.claims)
        params = {"uri": uri, "_meta": dict(meta or {})}
        response = await self.suite.post(token, "resources/read", params, server="documents")
        body = response.json()
        return body.get("result") or {"error": body["error"]}

    async def found(self, query: str, **more: Any) -> list[str]:
        """The URIs that a search finds, in order."""
        answer = await self.call("search_documents", query=query, **more)
        return [hit["uri"] for hit in answer["found"]]


def some_collection() -> str:
    """A collection of the test's own."""
    return f"c-{uuid4().hex[:12]}"
