"""Arguments and answers of the approvals. What others wrote was masked by the rights of whoever looks, field by field,
as the models of the server that was asked have it: here it is passed on as it is (`Exact`).
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from shared.core.approvals import ID_PATTERN
from shared.core.tool import Answer, Arguments, WriteArguments
from shared.steps.redaction import Exact

ApprovalId = Annotated[str, Exact(), Field(pattern=ID_PATTERN, description="Like A-, and 26 letters and digits.")]
Passed = Annotated[dict[str, Any], Exact()]
Word = Annotated[str, Exact()]
Digest = Annotated[
    str,
    Exact(),
    Field(pattern=r"^[0-9a-f]{64}$", description="Of what was on the page; it is decided on nothing else."),
]


class Summary(Answer):
    """One line of a list.

    Attributes:
        gist: What it is about, in the words of whoever asked.
        approved: How many people have approved what it is now.
        mine: Whether the viewer asked for it, or an agent acting for the viewer did.
    """

    id: Word
    state: Word
    kind: Word
    server: Word
    tool: Word
    title: Word
    gist: Word
    subject: Word
    client: Word
    actors: list[Word]
    needed: int
    approved: int
    mine: bool
    created_at: datetime
    expires_at: datetime
    escalated_at: datetime | None
    finished_at: datetime | None


class Approvals(Answer):
    approvals: list[Summary]
    next_before: Annotated[datetime | None, Field(description="Pass it as before for older ones; null: no more.")] = (
        None
    )


class Changed(Answer):
    """One argument that somebody changed."""

    field: Word
    before: Word
    after: Word


class Decision(Answer):
    """What one person decided.

    Attributes:
        counts: Whether it is about what the approval is now.
    """

    subject: Word
    issuer: Word
    verdict: Word
    reason: Annotated[str | None, Exact()]
    changes: list[Changed]
    counts: bool
    acr: Word | None
    at: datetime


class Editable(Answer):
    """An argument that whoever approves may change.

    Attributes:
        locked: The viewer is shown it masked, and cannot change it therefore.
    """

    name: Word
    value: Word
    locked: bool


class Approval(Answer):
    """All of one approval.

    Attributes:
        arguments: As they would be used.
        rehearsal: What the tool answered when it was tried without doing anything.
        redacted: What is hidden from the viewer.
        changes: How the arguments differ from those asked for, since somebody edited them.
        decided: Whether the viewer has decided already.
    """

    summary: Summary
    issuer: Word
    trust: Word
    agent: Word | None
    request_id: Word
    reason: Word
    policies: list[Word]
    policy_version: Word
    payload: Word
    arguments: Passed
    rehearsal: Passed
    redacted: list[Word]
    changes: list[Changed]
    editable: list[Editable]
    decisions: list[Decision]
    decided: bool
    outcome: Annotated[dict[str, Any] | None, Exact()]
    decided_at: datetime | None


class Everything(Arguments):
    pass


class Past(Arguments):
    before: Annotated[datetime | None, Field(description="Only older ones.", strict=False)] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class One(Arguments):
    approval_id: ApprovalId


class Decide(WriteArguments):
    approval_id: ApprovalId
    payload: Digest
    reason: Annotated[str | None, Field(max_length=1000, description="Why; whoever asked reads it.")] = None


class Approve(Decide):
    edited: Annotated[
        dict[str, Annotated[str, Exact()]] | None,
        Field(max_length=20, description="Arguments to change before it is done, as their field names."),
    ] = None


class Reject(Decide):
    reason: Annotated[str, Field(min_length=3, max_length=1000, description="Why; whoever asked reads it.")]  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues] - narrower: a refusal has a reason


class Cancel(WriteArguments):
    approval_id: ApprovalId


class Verdict(Answer):
    """What became of the approval by the decision."""

    approval_id: Word
    verdict: Literal["approve", "reject", "cancel"]
    state: Word
    needed: int
    approved: int
