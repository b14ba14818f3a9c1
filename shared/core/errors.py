"""Every way a call can fail.

    SuiteError
    ├─ Unauthenticated     401: no token, or one we do not accept
    ├─ UnknownTarget       -32602: no such tool, resource or prompt, or one hidden from the caller
    ├─ InvalidCursor       -32602: a cursor we did not give to this caller for this request
    ├─ Failure             told to the model as a typed error object it can act on
    │   ├─ Invalid         change the arguments
    │   ├─ NotFound        look it up another way
    │   ├─ Conflict        read again, then decide
    │   │   ├─ KeyReused   the idempotency key belongs to other arguments
    │   │   └─ InProgress  the same call is still running: wait, then repeat it
    │   ├─ Forbidden       the caller lacks a scope; it is named
    │   ├─ Denied          policy says no to this caller or these arguments; it says why
    │   ├─ NeedsApproval   other people have to approve it first
    │   ├─ Rejected        they said no
    │   ├─ Lapsed          they were asked too long ago, or it is not what they were asked any more
    │   ├─ StepUp          a person has to sign in again, or more strongly
    │   ├─ Suspended       an administrator stopped this user, client or tenant
    │   ├─ Declined        the user was asked and said no
    │   ├─ CannotAsk       the user would have to be asked, and this client cannot
    │   ├─ CannotDelegate  another server would have to be called in the caller's name, and ours is not set up for it
    │   ├─ RateLimited     wait `retry_after_s`
    │   │   ├─ OverBudget    the session used up its steps or its money
    │   │   ├─ LoopDetected  the same call again and again: its answer will not change
    │   │   └─ Shed          little is left, and this call can wait
    │   ├─ Unavailable     something we depend on is down: retry
    │   ├─ OutcomeUnknown  the reply was lost after the work may have been done: repeat with the same key
    │   ├─ Timeout         the deadline passed
    │   └─ Internal        our fault; quote the reference
    └─ Misconfigured       refuses to start

Raise these anywhere; one place (`shared/edge/protocol.py`) puts them on the wire. No other exception's text
ever leaves the process: it becomes `Internal` with a reference that the logs repeat.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

_NAME_SHOWN = 128


class SuiteError(Exception):
    """Root of all errors the suite raises on purpose."""


class Misconfigured(SuiteError):
    """A setting is missing or unsafe; the process refuses to start and says which."""


class Unauthenticated(SuiteError):
    """The request carries no credential we accept.

    Attributes:
        reason: `missing` when no token was sent (RFC 6750 §3: the challenge then carries no `error`), else a
            short word for metrics such as `expired`, `audience` or `signature`.
        description: What the client is told; never anything from inside the token.
    """

    def __init__(self, reason: str, description: str = "") -> None:
        super().__init__(description or reason)
        self.reason = reason
        self.description = description


class UnknownTarget(SuiteError):
    """No such tool, resource or prompt for this caller; hidden and missing look the same."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"Unknown {kind}: {name[:_NAME_SHOWN]}")
        self.kind = kind
        self.name = name


class InvalidCursor(SuiteError):
    """The cursor was not issued to this caller for this request, or its key has been retired."""

    def __init__(self) -> None:
        super().__init__("Invalid cursor: start again without one, and pass cursors back unchanged")


class Failure(SuiteError):
    """A failure the model can act on.

    Attributes:
        code: The stable word for this kind of failure.
        retryable: Whether repeating the same call unchanged can succeed.
        details: More facts, safe to show to this caller.
    """

    code: ClassVar[str] = "failure"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = {name: value for name, value in details.items() if value is not None}

    def as_object(self, reference: str) -> dict[str, Any]:
        """The error object of the wire: `{code, message, retryable, reference, details?}`."""
        shown: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "reference": reference,
        }
        if self.details:
            shown["details"] = self.details
        return shown


class Invalid(Failure):
    """The arguments do not fit the schema or the domain's rules."""

    code = "invalid"


class NotFound(Failure):
    """No such thing for this tenant; another tenant's thing answers the same."""

    code = "not_found"


class Conflict(Failure):
    """The world is not as the caller thought, e.g. a version moved on."""

    code = "conflict"


class KeyReused(Conflict):
    """This idempotency key was used before with other arguments."""

    code = "key_reused"


class InProgress(Conflict):
    """The same call with the same key is still running."""

    code = "in_progress"
    retryable = True


class Declined(Failure):
    """The caller's own user was asked and would not."""

    code = "declined"


class CannotAsk(Failure):
    """The call needs an answer of the caller's own user, whom this client cannot ask."""

    code = "cannot_ask"


class CannotDelegate(Failure):
    """The call would have to act elsewhere in the caller's name; that has to be set up by whoever runs the server."""

    code = "cannot_delegate"


class Forbidden(Failure):
    """The caller lacks a scope of the operation.

    Args:
        scopes: All the operation needs, in order; over HTTP they become the 403 challenge (RFC 6750 §3.1).
    """

    code = "forbidden"

    def __init__(self, message: str, scopes: Sequence[str]) -> None:
        super().__init__(message, required_scopes=list(scopes))
        self.scopes = tuple(scopes)


class Denied(Failure):
    """Policy forbids the call; the same call by the same caller will be forbidden again.

    Args:
        reason: As the policy states it.
        policies: The names of the policies that forbid it.
    """

    code = "denied"

    def __init__(self, message: str, reason: str, policies: Sequence[str]) -> None:
        super().__init__(message, reason=reason, policies=list(policies))


class NeedsApproval(Failure):
    """Policy wants so many other people to approve the call before it is done.

    Args:
        reason: As the policy states it.
        policies: The names of the policies that want it.
        approvals: How many people.
        about: What to know of what they were asked: `approval_id`, `status`, `expires_at`, `review_url`, `decided`.
    """

    code = "needs_approval"

    def __init__(self, message: str, reason: str, policies: Sequence[str], approvals: int, **about: Any) -> None:
        super().__init__(message, reason=reason, policies=list(policies), approvals=approvals, **about)
        self.approvals = approvals


class Rejected(Failure):
    """The people who were asked to approve the call said no; nothing was done."""

    code = "rejected"


class Lapsed(Failure):
    """What people were asked to approve counts no more: it was cancelled, its time was over, or something that they
    were shown is different by now. Nothing was done.
    """

    code = "approval_lapsed"


class StepUp(Failure):
    """The call needs a fresher or stronger sign-in than the token tells of (RFC 9470).

    Args:
        acr: The weakest context that will do, as the issuer names it; None if any will.
        max_age_s: How long ago the person may have signed in; None if it does not matter.
    """

    code = "step_up"

    def __init__(self, message: str, acr: str | None, max_age_s: int | None) -> None:
        super().__init__(message, acr_values=acr, max_age_s=max_age_s)
        self.acr = acr
        self.max_age_s = max_age_s


class Suspended(Failure):
    """An administrator stopped this user, client or tenant; nothing but they can change it."""

    code = "suspended"


class RateLimited(Failure):
    """Too many calls; `retry_after_s` seconds from now one more is admitted."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str, retry_after_s: float, limit: str, **left: Any) -> None:
        super().__init__(message, retry_after_s=round(retry_after_s, 3), limit=limit, **left)
        self.retry_after_s = retry_after_s
        self.limit = limit


class OverBudget(RateLimited):
    """The session has used up its steps or its money; the budget is whole again after `retry_after_s` seconds."""

    code = "over_budget"


class LoopDetected(RateLimited):
    """The same caller made the same call again and again; nothing but its repetition is wrong with it."""

    code = "loop_detected"
    retryable = False


class Shed(RateLimited):
    """Little is left of an allowance, or of the process, and the tool was declared as one that can wait."""

    code = "shed"


class Unavailable(Failure):
    """Something the call depends on is down; nothing was done."""

    code = "unavailable"
    retryable = True


class OutcomeUnknown(Failure):
    """The work may or may not have been done; repeating with the same key settles it without doing it twice."""

    code = "outcome_unknown"
    retryable = True


class Timeout(Failure):
    """The call's deadline passed; its transaction was rolled back."""

    code = "timeout"
    retryable = True


class Internal(Failure):
    """Our fault. The message never carries an exception's text."""

    code = "internal"

    def __init__(self) -> None:
        super().__init__("Internal error. It is logged under this reference; quote it when asking for help.")
