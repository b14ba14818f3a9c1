"""What the relay's answer means for the mail."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from servers.mail.delivering.attempting import Begun, Ended
from servers.mail.delivering.states import RecipientState
from servers.mail.delivering.waiting import after
from servers.mail.safety.addresses import checked_address
from shared.core.errors import Invalid
from shared.core.smtp_settings import Delivery
from shared.edge.outbound.smtp import Handed, Reply

Settled = dict[str, tuple[RecipientState, Reply | None]]


def concluded(begun: Begun, handed: Handed, delivery: Delivery, before: int) -> Ended:
    """How the attempt ended.

    Args:
        begun: The attempt.
        handed: What the relay said.
        delivery: What is set.
        before: How many recipients were accepted in earlier attempts.
    """
    settled: Settled = {who: ("refused", reply) for who, reply in handed.refused.items()}
    settled |= {who: ("waiting", reply) for who, reply in handed.later.items()}
    settled |= dict.fromkeys(handed.accepted, ("sent", handed.reply))
    ended = _ended(begun, handed, delivery, before, settled)
    return replace(ended, bounced=_bounced(handed))


def _ended(begun: Begun, handed: Handed, delivery: Delivery, before: int, settled: Settled) -> Ended:
    facts = _facts(begun, handed)
    if handed.became == "unknown":
        return unknown(begun.attempt, delivery, "unknown", settled, facts)
    waits = len(begun.letter.recipients) - len(handed.accepted) - len(handed.refused)
    if waits:
        wait_s = after(delivery, begun.attempt, handed.became)
        return Ended("retrying", "attempted", handed.became, wait_s, None, _shown(handed), 0, settled, facts)
    if handed.accepted or before:
        return Ended("sent", "sent", handed.became, None, None, _shown(handed), 0, settled, facts)
    return Ended("failed", "failed", handed.became, None, "refused", _shown(handed), 0, settled, facts)


def unknown(
    attempt: int,
    delivery: Delivery,
    outcome: str,
    settled: Settled | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Ended:
    """The relay may have it, or not: it goes again with the same Message-ID, or waits for somebody to decide."""
    wait_s = after(delivery, attempt, outcome) if delivery.unknown == "repeat" else None
    told = {**(facts or {"attempt": attempt, "became": outcome}), "next": delivery.unknown}
    return Ended("unknown", "attempted", outcome, wait_s, "outcome_unknown", None, 1, settled or {}, told)


def given_up(waiting: Sequence[str], sent: int) -> Ended:
    """It is too old; whom it was accepted for have it."""
    settled: Settled = dict.fromkeys(waiting, ("given_up", None))
    return Ended(
        "dead", "dead", "later", None, "too_old", None, 0, settled, {"accepted": sent, "given_up": len(waiting)}
    )


def _facts(begun: Begun, handed: Handed) -> dict[str, Any]:
    told: dict[str, Any] = {"attempt": begun.attempt, "became": handed.became, "accepted": len(handed.accepted)}
    if handed.refused:
        told["refused"] = len(handed.refused)
    if handed.bounced:
        told["bounced"] = len(handed.bounced)
    if handed.later:
        told["later"] = len(handed.later)
    if handed.reply is not None:
        told["code"] = handed.reply.code
    return told


def _bounced(handed: Handed) -> dict[str, Reply]:
    """By the spelling that the suppression list has."""
    keys: dict[str, Reply] = {}
    for address in handed.bounced:
        with suppress(Invalid):  # the attempt has to end; such an address is refused before it is queued again
            keys[checked_address(address).key] = handed.refused[address]
    return keys


def _shown(handed: Handed) -> Reply | None:
    """The answer people should see: why it did not go, if it did not."""
    return handed.reply or next(iter([*handed.later.values(), *handed.refused.values()]), None)
