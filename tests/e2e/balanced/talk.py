"""Clients behind the balancer that note which replica answered each request."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import httpx2
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitRequestParams, ElicitResult

from tests.conversation import Conversation
from tests.e2e.fleet import Drill
from tests.harness import LEGACY, MODERN

ANY = 0
"""The place of a replica, to those who ask a balancer: it chooses."""

SCOPES = ("drill:read", "drill:write")
_REPLICA = "suite-replica"


@dataclass(frozen=True)
class Answered:
    """Who answered what."""

    method: str
    replica: str

    @property
    def number(self) -> int:
        """Of the replica, from 1."""
        return number_of(self.replica)


def number_of(replica: str) -> int:
    """Replicas call themselves `drill-2.` and their life."""
    return int(replica.partition(".")[0].rpartition("-")[2])


@dataclass
class Talk:
    """A conversation of the 2025 era by raw HTTP, or any other one, and who answered what of it, in order."""

    client: Conversation
    answered: list[Answered] = field(default_factory=list[Answered])

    @property
    def last(self) -> Answered:
        return self.answered[-1]


@asynccontextmanager
async def talking(drill: Drill, persona: str = "manager", version: str = LEGACY, **claims: Any) -> AsyncGenerator[Talk]:
    """A conversation that nobody has opened yet."""
    answered: list[Answered] = []

    async def note(response: httpx.Response) -> None:
        answered.append(Answered(response.request.method, response.headers.get(_REPLICA, "balancer")))

    token = drill.token(persona, "drill", **{"scopes": SCOPES, **claims})
    async with httpx.AsyncClient(
        timeout=30, verify=drill.trust(), trust_env=False, event_hooks={"response": [note]}
    ) as http:
        yield Talk(Conversation(drill.url("drill"), token, "drill", http, version), answered)


@dataclass
class Named:
    """A 2.x SDK client, and what it saw.

    Attributes:
        heard: URIs it was told to have changed.
    """

    client: Client
    answered: list[Answered]
    heard: list[str]

    @property
    def posted(self) -> list[Answered]:
        return [each for each in self.answered if each.method == "POST"]


@asynccontextmanager
async def named(drill: Drill, name: str, era: str, persona: str = "manager") -> AsyncGenerator[Named]:
    """An SDK client that says it is called `name`, whoever asks."""
    answered: list[Answered] = []
    heard: list[str] = []

    async def note(response: httpx2.Response) -> None:
        answered.append(Answered(response.request.method, response.headers.get(_REPLICA, "balancer")))

    async def tell(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context, params
        return ElicitResult(action="accept", content={"name": name, "mood": "well"})

    async def hear(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            heard.append(str(message.params.uri))

    headers = {"Authorization": f"Bearer {drill.token(persona, 'drill', scopes=SCOPES)}"}
    async with AsyncExitStack() as stack:
        hooks = {"response": [note]}
        http = httpx2.AsyncClient(headers=headers, timeout=30, verify=drill.trust(), event_hooks=hooks)
        reached = streamable_http_client(drill.url("drill"), http_client=await stack.enter_async_context(http))
        mode = "legacy" if era == "legacy" else MODERN
        client = Client(reached, mode=mode, elicitation_callback=tell, message_handler=hear)
        yield Named(await stack.enter_async_context(client), answered, heard)
