from typing import Annotated

from pydantic import Field

from shared.core.tool import Answer, Arguments, Call
from tests.conformance.server.tools import SCOPE, Nothing, Text, tools


class Id(Arguments):
    id: Annotated[str, Field(max_length=64)]


class Data(Answer):
    id: str
    data: str


@tools.resource("test://static-text", SCOPE)
async def read_static(call: Call, query: Nothing) -> Text:
    """Text that never changes."""
    del call, query
    return Text(text="This is the content of the static text resource.")


@tools.resource("test://template/{id}/data", SCOPE)
async def read_template(call: Call, query: Id) -> Data:
    """Data under an id."""
    del call
    return Data(id=query.id, data=f"Data for ID: {query.id}")


@tools.resource("test://watched-resource", SCOPE, watchable=True)
async def read_watched(call: Call, query: Nothing) -> Text:
    """What a client can subscribe to."""
    del call, query
    return Text(text="Watched.")
