"""Bases of what goes into a call and what comes out of it, and the answers that MCP gives a shape of its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from shared.core.marks import Exact

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
    """What somebody began to type for an argument that can be completed.

    Attributes:
        context: What the client already has for other arguments, by their names; nobody checked it against theirs.
    """

    value: Annotated[str, Field(max_length=200)]
    context: Annotated[
        dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=1000)]], Field(max_length=20)
    ] = {}


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


class Cut(Answer):
    """Says that only a part is shown.

    Attributes:
        start: Where it begins, in `unit`s from the beginning of the whole.
        shown: How much of it this is.
        total: How much there is.
        rest: The URI of what follows; None if nothing does.
    """

    start: Annotated[int, Field(ge=0)] = 0
    shown: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]
    unit: Literal["characters", "bytes"] = "characters"
    rest: Annotated[str | None, Exact()] = None


class Contents(Answer):
    """What a resource holds, where it is not JSON of ours; with neither text nor blob, it is as the caller knows it.

    Extend it to mark `text` as `Untrusted()`, and to say more: what is neither text, blob nor MIME type reaches the
    client as facts, in `_meta`.

    Attributes:
        blob: Bytes, as base64 (RFC 4648 §4).
        mime_type: Of `text` or `blob`.
        digest: Of the whole, as it is now; a client that sends it back reads it again only if it has changed.
        size: Of the whole, in bytes.
        cut: Where only a part of the whole is shown, which.
    """

    text: str | None = None
    blob: Annotated[str | None, Exact()] = None
    mime_type: Annotated[str, Exact()]
    digest: Annotated[str | None, Exact()] = None
    version: int | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    last_modified: datetime | None = None
    cut: Cut | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if self.text is not None and self.blob is not None:
            raise ValueError("a resource holds text or bytes, not both")
        return self


class Link(Answer):
    """A resource as lists and answers name it.

    Attributes:
        uri: As its template spells it (docs/add-a-server.md).
        size: In bytes.
        priority: How important it is: 1 for what is needed, 0 for what is not.
    """

    uri: Annotated[str, Exact()]
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: Annotated[str | None, Exact()] = None
    size: Annotated[int, Field(ge=0)] | None = None
    last_modified: datetime | None = None
    priority: Annotated[float, Field(ge=0, le=1)] | None = None


class Page(Arguments):
    """Which page of a list: the first, or the one that `cursor` begins."""

    cursor: Annotated[str | None, Exact(), Field(max_length=2048)] = None


class Listed(Answer):
    """One page of the resources there are; `next_cursor` begins the next, and is None on the last."""

    resources: Sequence[SerializeAsAny[Link]]
    next_cursor: Annotated[str | None, Exact()] = None


def holds_links(answer: type[BaseModel], name: str) -> bool:
    """Whether a field of the answer is a list whose items extend `Link`."""
    field = answer.model_fields.get(name)
    if field is None or get_origin(field.annotation) not in {list, tuple, Sequence}:
        return False
    item, *more = get_args(field.annotation)
    item = getattr(item, "__origin__", item)  # of Annotated
    return more in ([], [...]) and isinstance(item, type) and issubclass(item, Link)
