from typing import Annotated

from pydantic import Field

from shared.core.tool import Answer, Arguments, Begun, Call, Message, PromptAnswer, Suggestions
from tests.conformance.server.tools import SCOPE, Nothing, tools

Word = Annotated[str, Field(max_length=200)]


class TwoWords(Arguments):
    arg1: Annotated[Word, Field(description="First test argument")]
    arg2: Annotated[Word, Field(description="Second test argument")]


class Uri(Arguments):
    resourceUri: Annotated[Word, Field(description="URI of the resource to embed")]  # noqa: N815 - the suite's name


class Embedded(Answer):
    text: str


@tools.prompt(SCOPE, version="1")
async def test_simple_prompt(call: Call, query: Nothing) -> PromptAnswer:
    """A prompt without arguments."""
    del call, query
    return PromptAnswer(description="Simple", messages=[Message(text="This is a simple prompt for testing.")])


@tools.prompt(SCOPE, version="1")
async def test_prompt_with_arguments(call: Call, query: TwoWords) -> PromptAnswer:
    """A prompt with two arguments."""
    del call
    text = f"Prompt with arguments: arg1='{query.arg1}', arg2='{query.arg2}'"
    return PromptAnswer(description="Arguments", messages=[Message(text=text)])


@tools.prompt(SCOPE, version="1")
async def test_prompt_with_embedded_resource(call: Call, query: Uri) -> PromptAnswer:
    """A prompt with a resource in it."""
    del call
    embedded = Message(data=Embedded(text="Embedded resource content for testing."), uri=query.resourceUri)
    return PromptAnswer(description="Embedded", messages=[embedded, Message(text="Please process it.")])


@tools.completion("arg1", SCOPE)
async def complete_arg1(call: Call, query: Begun) -> Suggestions:
    """How a word may go on."""
    del call
    return Suggestions(values=[word for word in ("paris", "park", "test") if word.startswith(query.value)])
