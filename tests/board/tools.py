"""Notes on a board that lives as long as the process; each tenant has its own."""

from typing import Annotated

from pydantic import Field

from shared.core.errors import Conflict, NotFound
from shared.core.tool import Answer, Arguments, Call, Risk, WriteArguments
from shared.core.toolset import Toolset
from shared.steps.redaction import Sensitive

tools = Toolset()


class Note(Answer):
    """One note."""

    text: str
    contact: Annotated[str | None, Sensitive("email")] = None


class Notes(Answer):
    """All of the tenant's."""

    notes: list[Note]


class Nothing(Arguments):
    """No arguments."""


class Text(WriteArguments):
    """A note to pin."""

    text: Annotated[str, Field(min_length=1, max_length=200)]


@tools.read("board:read")
async def list_notes(call: Call, query: Nothing) -> Notes:
    """List the notes."""
    return Notes(notes=[Note(text=text, contact="ada@example.com") for text in call.opened[call.caller.tenant]])


@tools.write("board:write", risk=Risk.LOW)
async def pin(call: Call, query: Text) -> Note:
    """Pin a note."""
    if query.text == "taken":
        raise Conflict("There is such a note already.")
    if query.text == "lost":
        raise NotFound("There is no such note.")
    call.opened[call.caller.tenant].append(query.text)
    call.changed(f"note:{query.text}")
    return Note(text=query.text)


@tools.write("board:write", risk=Risk.HIGH, acr="aal2", max_age_s=300)
async def wipe(call: Call, query: Text) -> Note:
    """Take all notes away; whoever does it signed in strongly, a moment ago."""
    call.opened[call.caller.tenant].clear()
    return Note(text=query.text)


@tools.read("board:read", acr="aal2")
async def secrets(call: Call, query: Nothing) -> Notes:
    """Read what only who signed in strongly may read."""
    return Notes(notes=[Note(text=f"secret of {call.caller.tenant}")])


@tools.read("board:read")
async def crash(call: Call, query: Nothing) -> Notes:
    """Fail as nobody foresaw."""
    raise RuntimeError("what nobody may read")
