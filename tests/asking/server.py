from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from shared.core.server import Server
from shared.core.tool import Answer, Arguments, Call
from shared.core.toolset import Toolset
from shared.steps.redaction import Exact

tools = Toolset()


class Ids(Arguments):
    customer_ids: list[Annotated[str, Field(max_length=64)]]


class Addresses(BaseModel):
    """What we need of the answer, and no more."""

    class One(BaseModel):
        id: str
        name: str
        email: str
        status: str
        language: str | None = None

    class Missing(BaseModel):
        id: str
        why: str
        merged_into: str | None = None

    contacts: list[One]
    missing: list[Missing]


class Resolved(Answer):
    """With the addresses unmasked, to be looked at by tests."""

    contacts: Annotated[list[Annotated[str, Exact()]], Exact()]
    missing: list[dict[str, Any]]


class OneUri(Arguments):
    uri: Annotated[str, Field(max_length=500)]


class Attached(Answer):
    size: int
    mime_type: Annotated[str | None, Exact()]
    facts: Annotated[dict[str, Any], Exact()]
    labels: list[str]
    begins: str
    of_the_call: list[str]


class Question(Arguments):
    server: Annotated[str, Field(max_length=64)]
    tool: Annotated[str, Field(max_length=64)]
    arguments: dict[str, Any]


class Anything(BaseModel):
    model_config = {"extra": "allow"}


class Said(Answer):
    said: dict[str, Any]


@tools.read("mail:read", elsewhere=("customers:contact",))
async def resolve(call: Call, query: Ids) -> Resolved:
    """Where customers are written to."""
    found = await call.peer("customers").call("resolve_contacts", query.model_dump(), Addresses)
    shown = [f"{one.id} {one.name} <{one.email}> {one.status} {one.language}" for one in found.contacts]
    return Resolved(contacts=shown, missing=[one.model_dump() for one in found.missing])


@tools.read("mail:read", elsewhere=("documents:read", "documents:confidential"))
async def attach(call: Call, query: OneUri) -> Attached:
    """Read a document to attach it."""
    read = await call.peer("documents").read(query.uri)
    return Attached(
        size=len(read.data),
        mime_type=read.mime_type,
        facts=dict(read.facts),
        labels=sorted(read.labels),
        begins=read.data[:40].decode(errors="replace"),
        of_the_call=sorted(call.labels),
    )


@tools.read("mail:read", elsewhere=("customers:read", "tickets:write"))
async def ask(call: Call, query: Question) -> Said:
    """Ask anything."""
    found = await call.peer(query.server).call(query.tool, query.arguments, Anything)
    return Said(said=found.model_dump())


server = Server(
    name="mail",
    title="Mail",
    version="1.0.0",
    instructions="For tests of calls between servers alone.",
    tools=tools,
    baseline=("mail:read",),
    policy=Path(__file__).with_name("mail.cedar"),
)
