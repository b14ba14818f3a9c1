"""One approval: all of it, and what its viewer can do about it."""

from collections.abc import Mapping
from typing import Any

from servers.console.showing.answers import label
from servers.console.showing.picture import differences, pictured
from shared.core.errors import Conflict, Failure, Invalid
from shared.core.web import Shown, View, Visit

EDIT = "edit."
"""What the fields of the form for editing begin with."""

_CONFLICT, _UNPROCESSABLE = 409, 422
_LINES = ("subject", "title", "name")
"""Fields that are edited on one line."""


async def one(visit: Visit) -> Shown:
    """As those see it who decide; whoever asked for it is shown the page of their own request instead."""
    found = await visit.run("get_approval", approval_id=visit.path["approval_id"])
    return _page(visit, found)


async def request(visit: Visit) -> Shown:
    """As whoever asked for it sees it."""
    found = await visit.run("get_request", approval_id=visit.path["approval_id"])
    return _page(visit, found, section="requests")


async def edit(visit: Visit) -> Shown:
    """The form for changing what may be changed."""
    found = await visit.run("get_approval", approval_id=visit.path["approval_id"])
    return _form(visit, found, visit.typed, review=False)


async def review(visit: Visit) -> Shown:
    """What the changes come to, to be looked at before they are approved."""
    found = await visit.run("get_approval", approval_id=visit.path["approval_id"])
    return _form(visit, found, visit.form, review=True)


async def again(visit: Visit) -> Shown:
    """Back from there to the form, with what was typed."""
    found = await visit.run("get_approval", approval_id=visit.path["approval_id"])
    return _form(visit, found, visit.form, review=False)


async def approve(visit: Visit) -> Shown:
    changes = {name.removeprefix(EDIT): value for name, value in visit.form.items() if name.startswith(EDIT)}
    words = {name: text.replace("\r\n", "\n") for name, text in changes.items()}
    return await _decided(visit, "approve", edited=words or None)


async def reject(visit: Visit) -> Shown:
    return await _decided(visit, "reject")


async def confirm(visit: Visit) -> Shown:
    return await _decided(visit, "confirm", "/requests")


async def cancel(visit: Visit) -> Shown:
    approval_id = visit.path["approval_id"]
    await visit.run("cancel", approval_id=approval_id)
    return visit.redirect(f"/requests/{approval_id}", notice="You cancelled this request. Nothing was done.")


async def events(visit: Visit) -> Shown:
    return visit.events([f"approval:{visit.path['approval_id']}"])


async def _decided(visit: Visit, tool: str, place: str = "/approvals", **more: Any) -> Shown:
    """Decide; what the tool will not have because of what was typed is said on the page that was typed into."""
    approval_id = visit.path["approval_id"]
    reason = visit.form.get("reason", "").strip() or None
    try:
        answer = await visit.run(
            tool, approval_id=approval_id, payload=visit.form.get("payload", ""), reason=reason, **more
        )
    except (Invalid, Conflict) as failure:
        return await _again(visit, tool, failure, place)
    return visit.redirect(f"{place}/{approval_id}", notice=_told(answer))


async def _again(visit: Visit, tool: str, failure: Failure, place: str) -> Shown:
    read = "get_approval" if place == "/approvals" else "get_request"
    found = await visit.run(read, approval_id=visit.path["approval_id"])
    status = _UNPROCESSABLE if isinstance(failure, Invalid) else _CONFLICT
    message = _message(failure, tool)
    if any(name.startswith(EDIT) for name in visit.form) and isinstance(failure, Invalid):
        return _form(visit, found, visit.form, review=False, status=status, problem=message)
    return _page(visit, found, section=place[1:], status=status, problem=message, failed=tool)


def _message(failure: Failure, tool: str) -> str:
    if isinstance(failure, Invalid) and tool == "reject" and "reason" in failure.message:
        return "Say why, in a few words at least: whoever asked reads it."
    return failure.message


def _told(answer: dict[str, Any]) -> str:
    if answer["verdict"] == "reject":
        return "You rejected it. Nothing is done; whoever asked is told your reason."
    left = answer["needed"] - answer["approved"]
    if left > 0:
        return f"You approved it. {left} more {'person has' if left == 1 else 'people have'} to."
    return "You approved it. It is being done now, as whoever asked for it."


def _page(visit: Visit, found: dict[str, Any], *, section: str = "approvals", status: int = 200, **more: Any) -> Shown:
    typed = visit.form or visit.typed
    values = {"problem": None, "failed": None, "reason": typed.get("reason", ""), **pictured(found), **more}
    return visit.page("approval.html", status=status, section=section, **values)


def _form(
    visit: Visit,
    found: dict[str, Any],
    typed: Mapping[str, str],
    *,
    review: bool,
    status: int = 200,
    problem: str | None = None,
) -> Shown:
    """The form for editing, or what was changed in it, with leave to go back."""
    fields = [_field(one, typed) for one in found["editable"]]
    changed = [one for one in fields if one["after"] != one["before"] and not one["locked"]]
    if review and not changed:
        review, status, problem = (
            False,
            _UNPROCESSABLE,
            "Nothing is changed yet. Change something, or approve it as it is.",
        )
    values = {**pictured(found), "changes": differences(changed)}
    return visit.page(
        "edit.html",
        status=status,
        fields=fields,
        review=review,
        problem=problem,
        reason=typed.get("reason", ""),
        **values,
    )


def _field(editable: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """One field with what it was and what was typed; browsers send lines with both line ends."""
    name, value = editable["name"], editable["value"]
    after = typed.get(EDIT + name, value).replace("\r\n", "\n")
    told = {"field": name, "label": label(name), "before": value, "after": after, "locked": editable["locked"]}
    return {**told, "long": name not in _LINES or "\n" in after}


views = (
    View("GET", "/approvals/{approval_id}", one),
    View("GET", "/approvals/{approval_id}/events", events),
    View("GET", "/approvals/{approval_id}/edit", edit),
    View("POST", "/approvals/{approval_id}/edit", review),
    View("POST", "/approvals/{approval_id}/edit/again", again),
    View("POST", "/approvals/{approval_id}/approve", approve),
    View("POST", "/approvals/{approval_id}/reject", reject),
    View("GET", "/requests/{approval_id}", request),
    View("GET", "/requests/{approval_id}/events", events),
    View("POST", "/requests/{approval_id}/confirm", confirm),
    View("POST", "/requests/{approval_id}/cancel", cancel),
)
