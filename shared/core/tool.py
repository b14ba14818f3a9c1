"""What a server offers, tools, resources and prompts, as values the rest of the suite can read.

`toolset.py` makes them of the functions that a server declares. The models those take and answer with are named here
too, for servers.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from shared.core.call import Call, Cursors, Queries
from shared.core.caller import Acr
from shared.core.deprecation import Deprecated
from shared.core.json_schema import plain_schema
from shared.core.labels import Label
from shared.core.models import (
    Answer,
    Arguments,
    Begun,
    Contents,
    Cut,
    Link,
    Listed,
    Message,
    Page,
    PromptAnswer,
    Suggestions,
    WriteArguments,
)
from shared.core.parsing import parsed

__all__ = [
    "Answer",
    "Arguments",
    "Begun",
    "Call",
    "Contents",
    "Cursors",
    "Cut",
    "Effect",
    "Label",
    "Link",
    "Listed",
    "Message",
    "Page",
    "Prompt",
    "PromptAnswer",
    "Queries",
    "Resource",
    "Risk",
    "Suggestions",
    "Tool",
    "WriteArguments",
]


class Effect(StrEnum):
    """Whether a call changes anything; safety hints, the ledger and read-only mode follow from it."""

    READ = "read"
    WRITE = "write"


class Risk(StrEnum):
    """How bad a wrong call is. LOW adds and can be undone, MEDIUM overwrites, HIGH reaches people or many rows."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


Run = Callable[[Call, Any], Awaitable[BaseModel]]


@dataclass(frozen=True)
class Tool:
    """One thing a caller can ask for: a tool, or the reading of a resource.

    Attributes:
        name: Unique in its server; `[a-z0-9_]`, 1 to 64 characters.
        description: What the model reads: when to use it and when not.
        scopes: All of them are needed to call it.
        elsewhere: Scopes of other servers that some of its calls need: who lacks one is told when it is needed.
        cost: What one call costs, in US dollars, for budgets.
        deadline_s: Seconds until the call is cancelled; None takes the setting.
        inverse: The tool that takes a call back, where one exists.
        uses: What it calls downstream, e.g. `mail_relay`; calls that use it have a rate of their own.
        deferrable: Whether it can wait, and is refused first when little is left.
        polls: Whether asking the same again and again is how it is meant to be used.
        labels: What is in every answer.
        links: The field of its answer that holds resources (`Link`); clients are given them as such, too.
        acr: How strongly the person behind the call must have signed in, at least.
        max_age_s: How long ago that may have been.
        editable: Fields of its arguments that whoever approves a call may change first.
        deprecated: That it will go, when, and what to use instead.
    """

    name: str
    description: str
    effect: Effect
    scopes: tuple[str, ...]
    arguments: type[Arguments]
    answer: type[BaseModel]
    run: Run
    risk: Risk = Risk.LOW
    cost: float = 0.0
    deadline_s: float | None = None
    inverse: str | None = None
    open_world: bool = False
    uses: str | None = None
    deferrable: bool = False
    polls: bool = False
    labels: frozenset[Label] = frozenset()
    links: str | None = None
    acr: Acr | None = None
    max_age_s: int | None = None
    editable: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    deprecated: Deprecated | None = None

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    def parse(self, arguments: Mapping[str, Any]) -> Any:
        """The typed arguments.

        Raises:
            Invalid: With one line for each problem, and never the rejected value.
        """
        return parsed(self.name, self.arguments, arguments)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        return plain_schema(self.arguments)

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        return plain_schema(self.answer, mode="serialization")


@dataclass(frozen=True)
class Resource:
    """A readable resource: an RFC 6570 template and the read behind it.

    Attributes:
        mime_type: Of all that fits the template; None where it varies.
        watchable: Clients can subscribe to it: whatever changes it says so with `Call.changed`.
    """

    uri_template: str
    mime_type: str | None
    tool: Tool
    watchable: bool = False


@dataclass(frozen=True)
class Prompt:
    """A template that a person picks in the client; versioned, since its words steer a model."""

    version: str
    tool: Tool
