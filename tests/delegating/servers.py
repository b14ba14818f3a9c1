from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import httpx
from pydantic import Field

from shared.core.server import Server
from shared.core.tool import Answer, Arguments, Call
from shared.core.toolset import Toolset
from tests.harness import modern, modern_headers

_front, _back = Toolset(), Toolset()


class Nothing(Arguments):
    """Nothing is needed."""


class Elsewhere(Arguments):
    resource: Annotated[str, Field(description="The other server.", max_length=200)]
    scope: Annotated[str, Field(description="What is needed there.", max_length=64)] = "back:read"


class Who(Answer):
    """Whom a server takes its caller for."""

    subject: str
    client: str
    trust: str
    actors: list[str]
    tenant: str
    scopes: list[str]
    session: str | None


class Told(Answer):
    """What the other server said, and a digest of the token it was asked with."""

    status: int
    who: Who | None
    digest: str
    shown: str


@_front.read("front:read", "back:read")
async def ask_back(call: Call, query: Elsewhere) -> Told:
    """Ask the other server, in the caller's name, whom it takes us for."""
    token = await call.on_behalf.token(query.resource, [query.scope])
    said: dict[str, Any] = {"name": "who", "arguments": {}}
    headers = modern_headers("tools/call", said) | {"Authorization": f"Bearer {token.get_secret_value()}"}
    async with httpx.AsyncClient(timeout=10) as http:
        answer = await http.post(query.resource, json=modern("tools/call", said), headers=headers)
    body: dict[str, Any] = answer.json()
    who = Who.model_validate(body["result"]["structuredContent"]) if "result" in body else None
    shown = f"{call!r} {call.on_behalf!r} {token!r}"
    return Told(status=answer.status_code, who=who, digest=digest(token.get_secret_value()), shown=shown)


@_back.read("back:read")
async def who(call: Call, query: Nothing) -> Who:
    """Whom we take the caller for."""
    del query
    caller = call.caller
    return Who(
        subject=caller.subject,
        client=caller.client,
        trust=caller.trust,
        actors=list(caller.actors),
        tenant=caller.tenant,
        scopes=sorted(caller.scopes),
        session=caller.session_id,
    )


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _server(name: str, tools: Toolset) -> Server:
    return Server(
        name=name,
        title=name.capitalize(),
        version="1.0.0",
        instructions="For tests of delegation alone.",
        tools=tools,
        baseline=(f"{name}:read",),
        policy=Path(__file__).with_name(f"{name}.cedar"),
    )


front, back = _server("front", _front), _server("back", _back)
