"""An approval laid out for its page: what will happen, what was changed, and where it stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from servers.console.showing.answers import Block, label, laid_out
from servers.console.showing.differing import difference
from servers.console.showing.mails import SHOWN, Mail, mail, mail_in
from servers.console.showing.revealing import revealed
from servers.console.showing.times import relative

_MEANING = {
    "approved": "Enough people approved it. It is being done, as whoever asked for it.",
    "done": "It was approved and has been done.",
    "failed": "It was approved and tried, and did not go. Nothing was changed.",
    "rejected": "It was refused. Nothing was done.",
    "cancelled": "Whoever asked for it gave it up. Nothing was done.",
    "expired": "Its time was over before it was done. Nothing was done.",
    "void": "The rules, or what it is about, changed after people were shown it. Nothing was done; it can be asked "
    "for again.",
}


@dataclass(frozen=True)
class Difference:
    """One changed field, and how, in one text."""

    field: str
    shown: Markup


def pictured(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the template of one approval needs, of the answer of `get_approval` or `get_request`."""
    state = found["summary"]["state"]
    message = (found["outcome"] or {"message": ""}).get("message")
    return {
        "approval": found,
        "summary": found["summary"],
        "gist": revealed(found["summary"]["gist"]),
        "mail": _mail(found),
        "answer": _rest(found["rehearsal"]),
        "arguments": laid_out(found["arguments"]),
        "changes": differences(found["changes"]),
        "decisions": [_decision(one) for one in found["decisions"]],
        "expires": relative(found["summary"]["expires_at"]),
        "asked": relative(found["summary"]["created_at"]),
        "meaning": _MEANING.get(state),
        "outcome": revealed(str(message)) if message and state != "rejected" else None,
    }


def differences(changes: Iterable[Mapping[str, Any]]) -> list[Difference]:
    """Of changes with `field`, `before` and `after`."""
    return [Difference(label(one["field"]), difference(one["before"], one["after"])) for one in changes]


def _mail(found: Mapping[str, Any]) -> Mail | None:
    """The mail as it would go now: with what somebody edited in the place of what was asked for."""
    part = mail_in(found["rehearsal"])
    if part is None:
        return None
    edited = {one["field"]: one["after"] for one in found["changes"] if one["field"] in part}
    return mail({**part, **edited})


def _decision(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **one,
        "reason": revealed(one["reason"]) if one["reason"] else None,
        "changes": differences(one["changes"]),
    }


def _rest(rehearsal: Mapping[str, Any]) -> Block:
    """What the rehearsal told, but what is shown as a mail."""
    part = mail_in(rehearsal)
    if part is None:
        return laid_out(rehearsal)
    rest = {name: one for name, one in rehearsal.items() if one is not part}
    told = {name: one for name, one in part.items() if name not in SHOWN}
    return laid_out(told if part is rehearsal else {**rest, **told})
