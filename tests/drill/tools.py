import time
from typing import Annotated, Literal

import anyio
from pydantic import Field
from sqlalchemy import Column, MetaData, String, Table, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from shared.core.errors import NotFound
from shared.core.tool import Answer, Arguments, Call, Risk, WriteArguments
from shared.core.toolset import Toolset
from shared.state.database import Statement

tools = Toolset()

NAPPING: set[str] = set()
"""Naps in this process, by request."""

Id = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]

_metadata = MetaData(schema="drill")
_things = Table("things", _metadata, Column("id", String), Column("value", String))
_effects = Table("effects", _metadata, Column("thing", String), Column("value", String))
_id, _value = bindparam("id", type_=String), bindparam("value", type_=String)

GET = Statement(select(_things).where(_things.c.id == _id))
_insert = insert(_things).values(id=_id, value=_value)
PUT = Statement(
    _insert.on_conflict_do_update(index_elements=["tenant_id", "id"], set_={"value": _insert.excluded.value})
)
NOTE = Statement(insert(_effects).values(thing=_id, value=_value))


class Echo(Arguments):
    text: Annotated[str, Field(max_length=200)] = ""


class Echoed(Answer):
    text: str


class Nap(Arguments):
    seconds: Annotated[float, Field(ge=0, le=10)]


class Count(Arguments):
    to: Annotated[int, Field(ge=1, le=1000)]
    pause_s: Annotated[float, Field(ge=0, le=5)] = 0


class Counted(Answer):
    to: int


class Stamp(Count):
    label: Annotated[str, Field(max_length=50, description="Begins everything that is told.")] = ""


class Nobody(Arguments):
    """Nothing is needed."""


class Name(Answer):
    name: Annotated[str, Field(max_length=50, description="What to call you.")]
    mood: Literal["well", "unwell"] = "well"


class Greeted(Answer):
    text: str


class Put(WriteArguments):
    id: Id
    value: Annotated[str, Field(max_length=200)]


class Sure(Answer):
    sure: Annotated[bool, Field(description="Whether to go on.")]


class ThingId(Arguments):
    id: Id


class Thing(Answer):
    id: str
    value: str


def uri_of(thing: str) -> str:
    return f"drill://things/{thing}"


@tools.read("drill:read")
async def echo(call: Call, query: Echo) -> Echoed:
    """Say it back."""
    del call
    return Echoed(text=query.text)


@tools.read("drill:read")
async def nap(call: Call, query: Nap) -> Echoed:
    """Take a while."""
    NAPPING.add(call.request_id)
    try:
        await anyio.sleep(query.seconds)
    finally:
        NAPPING.discard(call.request_id)
    return Echoed(text="slept")


@tools.read("drill:read", deadline_s=60)
async def count(call: Call, query: Count) -> Counted:
    """Count, and tell of it."""
    for number in range(1, query.to + 1):
        await call.progress(number, query.to, f"at {number}")
        await anyio.sleep(query.pause_s)
    return Counted(to=query.to)


@tools.read("drill:read", deadline_s=60)
async def stamp(call: Call, query: Stamp) -> Counted:
    """Count, and tell when: by this machine's clock, in nanoseconds."""
    for number in range(1, query.to + 1):
        await call.progress(number, query.to, f"{query.label} {time.time_ns()}")
        await anyio.sleep(query.pause_s)
    return Counted(to=query.to)


@tools.read("drill:read")
async def greet(call: Call, query: Nobody) -> Greeted:
    """Ask the user for a name, and greet."""
    del query
    answer = call.ask("What is your name?", Name)
    return Greeted(text=f"Hello {answer.name}, {answer.mood}")


@tools.write("drill:write", risk=Risk.LOW)
async def put(call: Call, query: Put) -> Thing:
    """Keep a value under an id."""
    return await _put(call, query)


@tools.write("drill:write", risk=Risk.MEDIUM)
async def put_if_sure(call: Call, query: Put) -> Thing:
    """Keep a value under an id, once the user is sure, twice asked."""
    await _note(call, query)  # before the questions: an effect that every round but the last must take back
    if not (call.ask(f"Put {query.id}?", Sure).sure and call.ask("Really?", Sure).sure):
        raise NotFound("The user is not sure.")
    return await _keep(call, query)


@tools.resource("drill://things/{id}", "drill:read", watchable=True)
async def read_thing(call: Call, query: ThingId) -> Thing:
    """The value under an id."""
    found = await call.database.row(GET, id=query.id)
    if found is None:
        raise NotFound(f"There is no {query.id}.")
    return Thing(id=found["id"], value=found["value"])


async def _put(call: Call, query: Put) -> Thing:
    await _note(call, query)
    return await _keep(call, query)


async def _note(call: Call, query: Put) -> None:
    await call.transaction.rows(NOTE, id=query.id, value=query.value)


async def _keep(call: Call, query: Put) -> Thing:
    await call.transaction.rows(PUT, id=query.id, value=query.value)
    call.changed(uri_of(query.id))
    return Thing(id=query.id, value=query.value)
