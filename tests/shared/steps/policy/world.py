"""A small server to write policies for, and callers."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from shared.core.labels import Label
from shared.core.server import Server
from shared.core.tool import Answer, Arguments, Call, Risk, WriteArguments
from shared.core.toolset import Toolset
from shared.steps.policy.explaining import caller_of
from shared.steps.policy.rules import Rules

tools = Toolset()

HOLD = """
@id("holders")
permit (principal, action == Action::"hold", resource in Server::"shop");
@id("callers")
permit (principal, action in [Action::"see", Action::"call"], resource);
"""


class Nothing(Arguments):
    """Nothing is needed."""


class Line(Arguments):
    sku: str
    count: Annotated[int, Field(ge=1)] = 1


class Order(WriteArguments):
    amount: Annotated[float, Field(ge=0)]
    region: Literal["eu", "us"] = "eu"
    to: Annotated[list[str], Field(max_length=10, default_factory=list)]
    lines: Annotated[list[Line], Field(max_length=10, default_factory=list)]
    gift_for: str | None = None


class Done(Answer):
    text: str = "done"


@tools.read("shop:read")
async def look(call: Call, query: Nothing) -> Done:
    """Look."""
    raise NotImplementedError


@tools.read("shop:read", labels=(Label.CONFIDENTIAL,))
async def look_behind(call: Call, query: Nothing) -> Done:
    """Look behind."""
    raise NotImplementedError


@tools.write("shop:write", risk=Risk.MEDIUM)
async def order(call: Call, query: Order) -> Done:
    """Order."""
    raise NotImplementedError


@tools.write("shop:write", "shop:pii", risk=Risk.HIGH, open_world=True, acr="aal2", max_age_s=300)
async def send(call: Call, query: Order) -> Done:
    """Send."""
    raise NotImplementedError


server = Server(
    name="shop",
    title="Shop",
    version="1.0.0",
    instructions="For tests.",
    tools=tools,
    baseline=("shop:read",),
    policy=Path(__file__).with_name("shop.cedar"),
)

clerk = caller_of(subject="clerk", roles=["clerk"], scopes=["shop:write"])
boss = caller_of(subject="boss", roles=["boss"], scopes=["shop:admin"], acr="aal2", signed_in_s_ago=10)


def rules(text: str, *, base: str = HOLD) -> Rules:
    """The rules of a text, over one that allows all."""
    return Rules.of(server, {"base": base, "own": text})
