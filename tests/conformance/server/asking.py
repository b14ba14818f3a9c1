"""Tools that ask their user."""

from typing import Annotated, Literal

from pydantic import Field

from shared.core.tool import Answer, Arguments, Call
from tests.conformance.server.tools import SCOPE, Nothing, Text, tools


class Words(Arguments):
    message: Annotated[str, Field(max_length=500)]


class User(Answer):
    username: Annotated[str, Field(description="User's response")]
    email: Annotated[str, Field(description="User's email address")]


class Defaults(Answer):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


class Name(Answer):
    name: str


class Colour(Answer):
    color: str


class Confirmed(Answer):
    ok: bool


@tools.read(SCOPE)
async def test_elicitation(call: Call, query: Words) -> Text:
    """Ask who the user is."""
    user = call.ask(query.message, User)
    return Text(text=f"User response: {user.username}")


@tools.read(SCOPE)
async def test_elicitation_sep1034_defaults(call: Call, query: Nothing) -> Text:
    """Ask with a form that is filled in already."""
    del query
    given = call.ask("Please review and update the form fields with defaults", Defaults)
    return Text(text=f"Elicitation completed: {given.model_dump_json()}")


@tools.read(SCOPE)
async def test_input_required_result_elicitation(call: Call, query: Nothing) -> Text:
    """Ask for a name."""
    del query
    return Text(text=f"Hello, {call.ask('What is your name?', Name).name}!")


@tools.read(SCOPE)
async def test_input_required_result_request_state(call: Call, query: Nothing) -> Text:
    """Ask once, and know the call again."""
    del query
    return Text(text="state-ok" if call.ask("Please confirm", Confirmed).ok else "not confirmed")


@tools.read(SCOPE)
async def test_input_required_result_tampered_state(call: Call, query: Nothing) -> Text:
    """Ask once, and take no state that is not ours."""
    del query
    return Text(text="confirmed" if call.ask("Please confirm", Confirmed).ok else "not confirmed")


@tools.read(SCOPE)
async def test_input_required_result_multi_round(call: Call, query: Nothing) -> Text:
    """Ask twice."""
    del query
    name = call.ask("Step 1: What is your name?", Name).name
    color = call.ask("Step 2: What is your favorite color?", Colour).color
    return Text(text=f"{name} likes {color}")


@tools.read(SCOPE)
async def test_streaming_elicitation(call: Call, query: Nothing) -> Text:
    """Ask, where others would send a request on the stream."""
    del query
    return Text(text=call.ask("What is your name?", Name).name)
