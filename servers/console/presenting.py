"""An approval as a viewer may see it: a line of a list, or all of it."""

from collections.abc import Mapping
from typing import Any, cast

from servers.console.lens import Lens, current, value_of
from servers.console.models import Approval, Changed, Decision, Editable, Summary
from servers.console.showing.revealing import as_text, shortened

_GIST = 140
_PARTS = 3
_TELLING = ("subject", "title", "name", "summary", "customer_id", "ticket_id", "uri", "id", "to", "count", "reason")
_OF_SUMMARY = (
    *("id", "kind", "server", "tool", "subject", "client", "needed"),
    *("created_at", "expires_at", "escalated_at", "finished_at"),
)
_OF_APPROVAL = (
    "issuer",
    "trust",
    "agent",
    "request_id",
    "reason",
    "policy_version",
    "payload",
    "outcome",
    "decided_at",
)


def summary(lens: Lens) -> Summary:
    kept = lens.kept
    (arguments, _), (answer, _) = lens.arguments(current(kept)), lens.answer()
    return Summary(
        **{name: getattr(kept, name) for name in _OF_SUMMARY},
        state=kept.state.value,
        title=lens.title,
        gist=gist(arguments, answer),
        actors=list(kept.actors),
        approved=len({(one.issuer, one.subject) for one in kept.approvers}),
        mine=kept.by(lens.viewer.issuer, lens.viewer.subject),
    )


def approval(lens: Lens) -> Approval:
    kept, viewer = lens.kept, lens.viewer
    (arguments, hidden), (answer, more) = lens.arguments(current(kept)), lens.answer()
    asked, _ = lens.arguments(kept.arguments)
    return Approval(
        **{name: getattr(kept, name) for name in _OF_APPROVAL},
        summary=summary(lens),
        policies=list(kept.policies),
        arguments=arguments,
        rehearsal=answer,
        redacted=list(dict.fromkeys((*hidden, *more))),
        changes=_changes(asked, arguments, answer),
        editable=_editable(lens, arguments, answer),
        decisions=_decisions(lens, asked, answer),
        decided=any((one.issuer, one.subject) == (viewer.issuer, viewer.subject) for one in kept.approvers),
    )


def gist(arguments: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """What it is about, in one line: the telling ones of the arguments, or of what the tool answered."""
    inner = [_flat(cast("dict[str, Any]", part)) for part in answer.values() if isinstance(part, dict)]
    found: dict[str, str] = {}
    for part in (*inner, _flat(answer), _flat(arguments)):
        found |= part
    names = [name for name in _TELLING if name in found] or list(_flat(arguments))
    return shortened(" · ".join(found[name] for name in names[:_PARTS]), _GIST)


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name, value in values.items() if (text := _scalar(value))}


def _scalar(value: Any) -> str:
    """A value in a few words; nothing for what has parts of its own, and for what is only yes or no."""
    if isinstance(value, list):
        parts = cast("list[Any]", value)
        return "" if any(isinstance(one, dict | list) for one in parts) else ", ".join(map(as_text, parts[:_PARTS]))
    return "" if value is None or isinstance(value, bool | dict) else as_text(value)


def _editable(lens: Lens, arguments: Mapping[str, Any], answer: Mapping[str, Any]) -> list[Editable]:
    fields: list[Editable] = []
    for name in lens.editable:
        whole = value_of(name, current(lens.kept), lens.kept.rehearsal)
        shown = value_of(name, arguments, answer)
        if isinstance(whole, str):
            fields.append(Editable(name=name, value=shown or "", locked=shown != whole))
    return fields


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], answer: Mapping[str, Any]) -> list[Changed]:
    names = [name for name in after if before.get(name) != after[name]]
    return [
        Changed(field=name, before=_text(value_of(name, before, answer)), after=_text(after[name])) for name in names
    ]


def _decisions(lens: Lens, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> list[Decision]:
    """What each decided, the first first; what somebody changed is compared with what it was until then."""
    decisions: list[Decision] = []
    whole, shown = dict(lens.kept.arguments), asked
    for one in lens.kept.decisions:
        whole |= one.edited or {}
        after, _ = lens.arguments(whole)
        decisions.append(
            Decision(
                **{name: getattr(one, name) for name in ("subject", "issuer", "verdict", "reason", "acr", "at")},
                changes=_changes(shown, after, answer),
                counts=one.verdict == "reject" or one.payload == lens.kept.payload,
            )
        )
        shown = after
    return decisions


def _text(value: Any) -> str:
    return "" if value is None else as_text(value)
