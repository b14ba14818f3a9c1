from copy import deepcopy
from typing import Any

import anyio
from typing_extensions import override

from shared.core.errors import NotFound
from shared.core.tool import Answer, Arguments, Call
from shared.core.toolset import Toolset

tools = Toolset()

SCOPE = "everything:read"
_LONGER_THAN_JSON_S = 2.3
_STEP_S = 0.02


class Nothing(Arguments):
    """Nothing is needed."""


class Text(Answer):
    text: str


_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


class Contact(Arguments):
    """Only listed, never called."""

    @classmethod
    @override
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        del args, kwargs
        return deepcopy(_SCHEMA)


@tools.read(SCOPE)
async def test_simple_text(call: Call, query: Nothing) -> Text:
    """Answer with text."""
    del call, query
    return Text(text="This is a simple text response for testing.")


@tools.read(SCOPE)
async def test_error_handling(call: Call, query: Nothing) -> Text:
    """Fail."""
    del call, query
    raise NotFound("This tool intentionally returns an error for testing")


@tools.read(SCOPE)
async def test_tool_with_progress(call: Call, query: Nothing) -> Text:
    """Tell of progress three times."""
    del query
    for done in (0, 50, 100):
        await call.progress(done, 100)
        await anyio.sleep(_STEP_S)
    return Text(text="done")


@tools.read(SCOPE)
async def test_reconnection(call: Call, query: Nothing) -> Text:
    """Take so long that the answer becomes a stream of events."""
    del call, query
    await anyio.sleep(_LONGER_THAN_JSON_S)
    return Text(text="done")


@tools.read(SCOPE)
async def test_logging_tool(call: Call, query: Nothing) -> Text:
    """Log nothing to anybody who did not ask for it."""
    del call, query
    return Text(text="done")


@tools.read(SCOPE)
async def json_schema_2020_12_tool(call: Call, query: Contact) -> Text:
    """Show a schema with many words."""
    del call, query
    return Text(text="done")
