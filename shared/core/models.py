"""Bases of what goes into a call and what comes out of it, and the two answers that MCP gives a shape of its own."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

SUGGESTIONS_MAX = 100
"""Of one completion (MCP, completion: at most 100 values)."""


class Arguments(BaseModel):
    """Base of every tool's arguments: unknown fields are errors and nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class WriteArguments(Arguments):
    """Base of every write's arguments."""

    idempotency_key: Annotated[
        str | None,
        Field(
            min_length=8,
            max_length=128,
            pattern=r"^[\x21-\x7e]+$",
            description="Any unique string of yours. Repeating a call with the same key acts once and returns "
            "the first answer; always send one, so that a retry is safe. Kept for 24 hours.",
        ),
    ] = None
    dry_run: Annotated[bool, Field(description="Check and show the result without changing anything.")] = False


class Answer(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True)


class Begun(Arguments):
    """What somebody began to type for an argument that can be completed."""

    value: Annotated[str, Field(max_length=200)]


class Suggestions(Answer):
    """How it may go on, the likeliest first."""

    values: Annotated[list[str], Field(max_length=SUGGESTIONS_MAX)]
    has_more: bool = False


class Message(Answer):
    """One message of a prompt: words of ours, or data that redaction masks by its model.

    Data is never formatted into the words: marks on its fields would be lost, and whoever wrote the data would
    speak with our voice.

    Attributes:
        uri: The resource that `data` is, if it can be read as one.
    """

    role: Literal["user", "assistant"] = "user"
    text: str | None = None
    data: SerializeAsAny[Answer] | None = None
    uri: str | None = None


class PromptAnswer(Answer):
    """A prompt with its arguments filled in."""

    description: str
    messages: list[Message]
