from typing import Annotated

from pydantic import Field

from shared.core.tool import Answer, Arguments, WriteArguments
from shared.steps.redaction import Exact, Sensitive, Untrusted, mask_email


class Find(Arguments):
    word: Annotated[str, Field(min_length=2, max_length=40, description="The title's beginning.")]


class Link(Answer):
    name: Annotated[str, Exact()]
    url: Annotated[str, Exact()]
    title: Annotated[str, Untrusted()]
    saved_by: Annotated[str, Sensitive("links:pii", mask_email)]


class Links(Answer):
    links: list[Link]


class SaveLink(WriteArguments):
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{2,40}$", description="A short name of yours.")]
    url: Annotated[str, Field(pattern=r"^https://[^\s]{3,500}$")]
    title: Annotated[str, Field(min_length=2, max_length=200)]
