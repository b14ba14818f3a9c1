"""A small server whose resources come and go, and what its tests ask of it."""

import secrets
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import orjson

from servers.customers.server import server as customers
from shared.core.errors import NotFound, Unavailable
from shared.core.tool import Answer, Arguments, Call, Risk, WriteArguments
from shared.core.toolset import Toolset
from tests.generous import EVERYBODY
from tests.harness import Suite
from tests.listening import LISTEN

tools = Toolset()


@dataclass
class Shelf:
    """What is there to read, and how reading it goes."""

    gone: set[str] = field(default_factory=set[str])
    down: set[str] = field(default_factory=set[str])
    crashing: set[str] = field(default_factory=set[str])
    held: anyio.Event | None = None
    read: list[str] = field(default_factory=list[str])


shelf = Shelf()


class One(Arguments):
    name: str


class Touch(WriteArguments):
    thing: str
    nonce: str = ""


class Thing(Answer):
    name: str


@tools.resource("thing://{name}", "customers:read", watchable=True)
async def read_thing(call: Call, query: One) -> Thing:
    """A thing."""
    shelf.read.append(query.name)
    if shelf.held is not None:
        await shelf.held.wait()
    if query.name in shelf.gone:
        raise NotFound("It is not there.")
    if query.name in shelf.down:
        raise Unavailable("It cannot be read now.")
    if query.name in shelf.crashing:
        raise ValueError(query.name)
    return Thing(name=query.name)


@tools.resource("vault://{name}", "customers:export", watchable=True)
async def read_vault(call: Call, query: One) -> Thing:
    """For few."""
    return Thing(name=query.name)


@tools.resource("still://{name}", "customers:read")
async def read_still(call: Call, query: One) -> Thing:
    """It never changes."""
    return Thing(name=query.name)


@tools.write("customers:write", risk=Risk.LOW)
async def touch(call: Call, query: Touch) -> Thing:
    """Change a thing."""
    call.changed(f"thing://{query.thing}")
    if query.thing == "refused":
        raise NotFound("It is not there.")
    return Thing(name=query.thing)


async def change(suite: Suite, *names: str) -> None:
    for name in names:
        # Each another call: the same one over and over is taken for a loop.
        assert await suite.call("manager", "touch", {"thing": name, "nonce": secrets.token_hex(8)}) == {"name": name}


async def ended(suite: Suite, token_id: str) -> dict[str, Any]:
    """The record of how the caller's stream ended, once there is one."""
    with anyio.fail_after(10):
        while True:
            found = [r for r in await suite.records(target=LISTEN) if r["token_id"] == token_id]
            if found:
                return found[0]
            await anyio.sleep(0.01)


def marked(suite: Suite, persona: str = "manager", **claims: Any) -> tuple[str, str]:
    """A token, and its id by which its records are found."""
    token_id = secrets.token_hex(8)
    return suite.token(persona, jti=token_id, **claims), token_id


async def revoke(suite: Suite, subject: str, tenant: str = "acme") -> None:
    await suite.parts.stores.bus.publish("callers", orjson.dumps({"revoked": {"tenant": tenant, "subject": subject}}))


served = replace(customers, tools=tools, workers=(), views=None, policy=EVERYBODY)
