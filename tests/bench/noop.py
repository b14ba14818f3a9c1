"""A server whose one tool does nothing: what the path itself costs."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.core.server import Server
from shared.core.tool import Answer, Arguments, Call
from shared.core.toolset import Toolset

SCOPE = "noop:read"

tools = Toolset()


class Said(Arguments):
    text: Annotated[str, Field(max_length=1000)]


class Again(Answer):
    text: str


@tools.read(SCOPE)
async def echo(call: Call, query: Said) -> Again:
    """Say it again."""
    return Again(text=query.text)


server = Server(
    name="noop",
    title="No-op",
    version="1.0.0",
    instructions="Does nothing.",
    tools=tools,
    baseline=(SCOPE,),
    policy=Path(__file__).with_name("noop.cedar"),
)
