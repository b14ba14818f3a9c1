"""Arguments and answers of the audit. Records were masked when they were written: here they are passed on (`Exact`)."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.core.tool import Answer, Arguments
from shared.steps.audit.exploring import NAMED
from shared.steps.redaction import Exact

Word = Annotated[str, Exact()]
Words = Annotated[str, Exact(), Field(min_length=1, max_length=512)]
Cursor = Annotated[str | None, Exact(), Field(max_length=8192)]


class Filters(Arguments):
    """Which records; without any, all of the tenant."""

    person: Annotated[Words | None, Field(description="A subject: who called, or acted for whoever did.")] = None
    about: Annotated[
        Words | None, Field(description="An id that records name, like C-000042 or A-…; else a tool or a whole URI.")
    ] = None
    server: Words | None = None
    client: Words | None = None
    outcome: Annotated[Words | None, Field(description="ok, or the code of a failure.")] = None
    kind: Annotated[Words | None, Field(description="call, intent, outcome, recovered, switch, identity.")] = None
    request_id: Words | None = None
    trace_id: Words | None = None
    since: datetime | None = None
    until: datetime | None = None
    intents: Annotated[bool, Field(description="Also what was begun, beside what came of it.")] = False
    cursor: Cursor = None

    @property
    def names_an_id(self) -> bool:
        return self.about is not None and NAMED.fullmatch(self.about) is not None


class Search(Filters):
    """A page to be looked at."""

    limit: Annotated[int, Field(ge=1, le=100)] = 50


class Export(Filters):
    """A page to be saved."""

    limit: Annotated[int, Field(ge=1, le=2000)] = 1000


class OneRecord(Arguments):
    """By its `id`."""

    record_id: Annotated[str, Exact(), Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class Check(Arguments):
    """A check of the chain, from its beginning or where an earlier step ended."""

    cursor: Cursor = None


class Line(Answer):
    """One line of a list.

    Attributes:
        told: The arguments, on one line and cut.
    """

    id: Word
    at: datetime
    kind: Word
    subject: Annotated[str | None, Exact()]
    actor: Annotated[str | None, Exact()]
    client: Annotated[str | None, Exact()]
    server: Annotated[str | None, Exact()]
    target: Annotated[str | None, Exact()]
    outcome: Annotated[str | None, Exact()]
    duration_us: int | None
    request_id: Annotated[str | None, Exact()]
    told: Word


class Lines(Answer):
    """One page of a list; `next_cursor` begins the next."""

    records: list[Line]
    next_cursor: Annotated[str | None, Exact()] = None


class Bodies(Answer):
    """The records as they were signed, each canonical JSON."""

    bodies: list[Word]
    next_cursor: Annotated[str | None, Exact()] = None


class Wrong(Answer):
    """Something that does not fit."""

    where: Word
    what: Word


class Record(Answer):
    """One record in full.

    Attributes:
        body: As it was signed, indented.
        problems: Why it does not verify; empty if it does.
        related: What belongs to the same request, trace or intent, the oldest first.
        names: The ids it names.
    """

    line: Line
    body: Word
    chain: Word
    seq: int
    key_id: Annotated[str | None, Exact()]
    trace_id: Annotated[str | None, Exact()]
    problems: list[Wrong]
    related: list[Line]
    names: list[Word]


class Checked(Answer):
    """How far a check of the chain is.

    Attributes:
        links: Records looked at, of whomever.
        own: Those of the tenant, which were checked whole.
        problems: The first things that do not fit; `found` is how many there are.
        chains: How many there are.
        begun: How many of them were begun.
        cursor: To go on with; None when it is done.
    """

    links: int
    own: int
    problems: list[Wrong]
    found: int
    chains: int
    begun: int
    cursor: Annotated[str | None, Exact()] = None
