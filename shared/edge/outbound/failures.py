"""What an answer that is no success means to the caller, in the words of `shared/core/errors.py`."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

from shared.core.errors import (
    CannotDelegate,
    Conflict,
    Denied,
    Failure,
    Invalid,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
)
from shared.core.upstreams import Said
from shared.edge.outbound.answers import Answered
from shared.steps.untrusted import neutralise

__all__ = ["Explain", "Refuse", "away", "busy", "lost", "nobody_asks", "pausing", "refusal", "shed"]

Explain = Callable[[object], Sequence[Said]]
"""What the body of a refusal says, as the server that knows the other side reads it."""

Refuse = Callable[[Answered, float], Failure]
"""What a refusal means, by the answer and the pause in seconds that it asks for."""

_SAID_MAX = 5
_SAID_CHARACTERS = 200


def refusal(title: str, answered: Answered, explain: Explain, pause_s: float) -> Failure:
    """The failure that a status of 400 or more is; whatever it is, a write was not done below 500."""
    words = _words(title, explain(answered.body))
    match answered.status:
        case 400 | 413 | 422:
            said = f"{title} does not take this.{words or ' Look up what it allows, and change the arguments.'}"
            failure: Failure = Invalid(said)
        case 401:
            failure = CannotDelegate(
                f"{title} does not accept what this server shows it in your name. Sign in again; if that does not "
                "help, ask who runs this server."
            )
        case 403:
            said = f"{title} does not let you do this.{words} It will not by repeating; ask for the right there."
            failure = Denied(said, f"{title} says no", ())
        case 404 | 410:
            failure = NotFound(f"{title} has no such thing, or does not show it to you.{words}")
        case 409 | 412:
            failure = Conflict(f"It was changed in {title} meanwhile.{words} Read it again, then decide.")
        case 429:
            failure = pausing(title, pause_s)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            failure = away(title)
        case _:
            failure = Unavailable(f"{title} refused this in a way this server does not know. Nothing was done.{words}")
    return failure


def _words(title: str, said: Sequence[Said]) -> str:
    """Other people's words, as data: bounded, made harmless, and said to be theirs."""
    shown = [quoted(f"{each.field}: {each.message}" if each.field else each.message) for each in said[:_SAID_MAX]]
    return f" {title} says: {'; '.join(f'{each}' for each in shown)}." if shown else ""


def quoted(text: str, most: int = _SAID_CHARACTERS) -> str:
    """Other people's words in quotation marks, bounded and made harmless."""
    shown, _ = neutralise(" ".join(text.split())[:most])
    return f"«{shown.replace('«', '‹').replace('»', '›')}»"


def pausing(title: str, wait_s: float) -> RateLimited:
    """It wants to be left alone for longer than a call can wait."""
    wait_s = round(wait_s, 1)
    return RateLimited(f"{title} takes no more requests for {wait_s:g} s. Repeat the call then.", wait_s, title.lower())


def shed(title: str, wait_s: float) -> Unavailable:
    """The breaker is open."""
    wait_s = round(max(wait_s, 1.0), 1)
    said = f"{title} failed again and again, so it is not asked now. Nothing was done; retry in {wait_s:g} s."
    return Unavailable(said, retry_after_s=wait_s)


def away(title: str) -> Unavailable:
    return Unavailable(f"{title} does not answer as it should. Nothing was done; retry in a moment.")


def busy(title: str) -> Unavailable:
    return Unavailable(f"Too much is being asked of {title}. Nothing was done; retry in a moment.")


def nobody_asks(title: str) -> Denied:
    """The caller is of another tenant than the system."""
    said = f"{title} belongs to another organisation than yours, so it is not asked for you. Ask who runs this server."
    return Denied(said, "another tenant's system", ())


def lost(title: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"The reply of {title} was lost, so nobody knows yet whether this was done. Repeat the call with the same "
        "idempotency_key to learn it; it will not be done twice."
    )
