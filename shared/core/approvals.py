"""Approvals: a call that other people have to approve, as it is kept, decided and shown.

    pending ─┬─ approved ─┬─ done       by a worker, or by the caller that repeats the call
             │            ├─ failed     it was tried, and did not go; the outcome says why
             │            ├─ void       policy, or something that people were shown, is different by now
             │            └─ expired
             ├─ rejected
             ├─ cancelled               by whoever asked
             └─ expired

A decision is of one payload: the tool, its arguments, what the rehearsal answered and was based on, and the version of
the policies. Whoever edits the arguments makes another payload, which the others have to approve anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal

import orjson

from shared.core import ids

Kind = Literal["approve", "confirm"]
"""By other people; or, where the client cannot ask, by the caller's own user, who signs in at the console for it."""

Verdict = Literal["approve", "reject"]

ID_PATTERN = r"^A-[0-9A-HJKMNP-TV-Z]{26}$"

SCHEME = "approval:"
ANY = "approvals:"
"""Of the tenant: something about one of its approvals changed."""


class ApprovalState(StrEnum):
    """Where an approval stands; all but the first two are final."""

    PENDING = "pending"
    APPROVED = "approved"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    VOID = "void"

    @property
    def ended(self) -> bool:
        return self not in {ApprovalState.PENDING, ApprovalState.APPROVED}


@dataclass(frozen=True)
class Decided:
    """What one person decided.

    Attributes:
        payload: What exactly it was about.
        edited: The arguments that this person changed, and their new values.
        acr: How strongly they had signed in.
        auth_time: When; seconds since the epoch.
    """

    issuer: str
    subject: str
    verdict: Verdict
    reason: str | None
    edited: Mapping[str, Any] | None
    payload: str
    acr: str | None
    auth_time: int | None
    at: datetime


@dataclass(frozen=True)
class Kept:
    """One approval, as it is kept.

    Attributes:
        caller: Who asked, as their token said then; see `shared.core.caller.Caller`.
        key: What the ledger knows the call by.
        arguments: As they were asked for, without key.
        edited: All arguments, as somebody who approved has changed them.
        payload: Digest of all that is decided on, as it is now.
        rehearsal: The tool's answer to a dry run at the time of asking, unmasked.
        gathered: What the rehearsal had from other servers.
        bases: Versions of our data that it was based on.
        needed: How many people have to approve it.
        request_id: Of the call that asked.
        outcome: `{code, message}` of a call that failed, was rejected or is void.
    """

    id: str
    tenant: str
    kind: Kind
    server: str
    tool: str
    issuer: str
    subject: str
    caller: Mapping[str, Any]
    key: str
    arguments: Mapping[str, Any]
    answers: Mapping[str, Any]
    edited: Mapping[str, Any] | None
    payload: str
    rehearsal: Mapping[str, Any]
    gathered: Mapping[str, Any]
    bases: Mapping[str, str]
    reason: str
    policies: Sequence[str]
    policy_version: str
    needed: int
    request_id: str
    agent: str | None
    state: ApprovalState
    outcome: Mapping[str, Any] | None
    created_at: datetime
    expires_at: datetime
    escalated_at: datetime | None
    decided_at: datetime | None
    finished_at: datetime | None
    decisions: Sequence[Decided] = field(default=())

    @property
    def client(self) -> str:
        """The program that asked."""
        return self.caller["client"]

    @property
    def actors(self) -> Sequence[str]:
        """Who acted for the subject, the nearest first."""
        return self.caller["actors"]

    @property
    def trust(self) -> str:
        return self.caller["trust"]

    @property
    def approvers(self) -> list[Decided]:
        """Who approved what it is now."""
        return [one for one in self.decisions if one.verdict == "approve" and one.payload == self.payload]

    def by(self, issuer: str, subject: str) -> bool:
        """Whether that is who asked, or an agent in the chain that asked."""
        return (issuer, subject) == (self.issuer, self.subject) or subject in self.actors


def new_id() -> str:
    """A new handle: it is no secret, and cannot be guessed all the same."""
    return ids.new_id("A", ids.UNGUESSABLE)


def approval_uri(approval_id: str) -> str:
    """By which notices tell that something about an approval changed."""
    return f"{SCHEME}{approval_id}"


def payload_of(
    server: str,
    tool: str,
    arguments: Mapping[str, Any],
    rehearsed: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, str]],
    policy_version: str,
) -> str:
    """The digest that decisions name: SHA-256 of the canonical JSON of everything that is decided on.

    `arguments` are those that the call would be done with; `rehearsed` is what the rehearsal answered, gathered, and
    was based on.
    """
    whole = [server, tool, arguments, *rehearsed, policy_version]
    return sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).hexdigest()
