"""What another server of ours refused, as a failure of our own call: typed as it was, in words that say whose it is."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from shared.core.errors import (
    CannotAsk,
    CannotDelegate,
    Conflict,
    Denied,
    Failure,
    Forbidden,
    Invalid,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    StepUp,
    Unavailable,
)
from shared.edge.outbound import failures
from shared.edge.outbound.answers import Answered
from shared.edge.peers.messages import Reply, RpcError, Told

__all__ = ["asks", "of_rpc", "of_status", "of_tool"]

_SAID_CHARACTERS = 1000
_LONGEST_S = 3600.0
_INVALID_PARAMS = -32602

_ALIKE: Mapping[str, Callable[[str], Failure]] = {
    **dict.fromkeys(("conflict", "key_reused", "in_progress"), Conflict),
    **{"invalid": Invalid, "not_found": NotFound, "cannot_ask": CannotAsk, "cannot_delegate": CannotDelegate},
    **{"outcome_unknown": OutcomeUnknown, "unavailable": Unavailable, "timeout": Unavailable},
}
"""Told with its words alone."""


def of_status(title: str, name: str, answered: Answered, pause_s: float, asked: Sequence[str]) -> Failure:
    """An HTTP status of 400 or more; what its body tells counts for more.

    Args:
        title: What callers know the server as.
        name: What the settings call it.
        answered: What came.
        pause_s: How long it wants to be left alone.
        asked: The scopes that the token was asked for.
    """
    try:
        reply = Reply.model_validate(answered.body)
    except ValidationError:
        reply = None
    if reply is not None and reply.error is not None:
        return of_rpc(title, reply.error, asked)
    if answered.status == HTTPStatus.NOT_FOUND:
        return CannotDelegate(
            f"There is no server where {title} should be. Who runs this server must set SUITE_PEERS__{name.upper()}."
        )
    return failures.refusal(title, answered, lambda _: (), pause_s)


def of_rpc(title: str, error: RpcError, asked: Sequence[str]) -> Failure:
    """A refusal of the protocol: with a failure of ours inside, or for a name that is not known there."""
    try:
        return of_tool(title, Told.model_validate(error.data), asked)
    except ValidationError:
        pass
    if error.code != _INVALID_PARAMS:
        return failures.away(title)
    if isinstance(error.data, dict) and "uri" in error.data:  # pyright: ignore[reportUnknownMemberType]
        return NotFound(f"{title} has no such resource, or does not show it to you.")
    said = f"{title} does not offer that to you through this server. Repeating the call will not help; ask who runs it."
    return Denied(said, f"{title} says no", ())


def of_tool(title: str, told: Told, asked: Sequence[str]) -> Failure:
    """A failure as the other server tells it."""
    said = f"{title} says: {failures.quoted(told.message, _SAID_CHARACTERS)}"
    if told.code in _ALIKE:
        return _ALIKE[told.code](said)
    match told.code:
        case "forbidden":
            failure = _forbidden(title, said, told, asked)
        case "denied" | "needs_approval" | "suspended" | "declined":
            failure = Denied(said, f"{title} says no", ())
        case "step_up":
            acr = told.details.get("acr_values")
            failure = StepUp(said, acr if isinstance(acr, str) else None, _whole(told.details.get("max_age_s")))
        case "rate_limited" | "over_budget" | "loop_detected" | "shed":
            failure = RateLimited(said, _seconds(told.details.get("retry_after_s")), title.lower())
        case _:
            failure = Unavailable(
                f"{title} failed inside; its logs say why under {told.reference or 'no reference'}. Retry in a moment, "
                "or tell who runs it."
            )
    return failure


def asks(title: str) -> Failure:
    """It wants to ask the caller's user, whom it cannot reach through us."""
    return CannotAsk(f"{title} would have to ask you first, which it cannot through this server. Call {title} itself.")


def _forbidden(title: str, said: str, told: Told, asked: Sequence[str]) -> Failure:
    """A scope that people could grant; where the token had it, policy over there does not let them hold it."""
    given: Any = told.details.get("required_scopes")
    scopes = [scope for scope in given if isinstance(scope, str)] if isinstance(given, list) else []  # pyright: ignore[reportUnknownVariableType]
    if not scopes or set(scopes) <= set(asked):
        return Denied(said, f"{title} says no", ())
    return Forbidden(said, scopes)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 1.0
    return min(max(float(value), 0.0), _LONGEST_S)
