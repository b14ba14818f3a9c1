"""What there is, what of it is off, and the pages that switch it off and on again."""

from typing import Any

from servers.console.showing.revealing import revealed
from shared.core.errors import Conflict, Denied, Failure, Invalid, NotFound
from shared.core.web import Shown, View, Visit

_UNPROCESSABLE = 422
_KINDS = ("tool", "server", "client", "user")
_MAY_BE_TOLD = (Invalid, Conflict, Denied, NotFound)


async def everything(visit: Visit) -> Shown:
    found = await visit.run("list_catalogue")
    stops = (await visit.run("list_stops"))["stops"]
    off = {(one["server"], one["name"]) for one in stops if one["server"]}
    servers = [{**one, "offered": [_grouped(each) for each in one["offered"]]} for one in found["servers"]]
    return visit.page("catalogue.html", servers=servers, off=off, stops=[_shown(one) for one in stops])


async def ask(visit: Visit) -> Shown:
    """Says what would stop, once the viewer has signed in freshly: nothing is stopped yet."""
    return await _asking(visit, {**visit.query, **visit.typed})


async def stop(visit: Visit) -> Shown:
    given = _given(visit.form)
    try:
        answer = await visit.run("stop", **given, reason=visit.form.get("reason", ""))
    except _MAY_BE_TOLD as failure:
        return await _asking(visit, visit.form, failure)
    told = f"Stopped: {answer['what']}" if answer["changed"] else f"It was off already: {answer['what']}"
    return visit.redirect("/catalogue", notice=told)


async def ask_resume(visit: Visit) -> Shown:
    return await _resuming(visit, visit.typed.get("reason", ""))


async def resume(visit: Visit) -> Shown:
    reason = visit.form.get("reason", "")
    try:
        answer = await visit.run("resume", number=_number(visit), reason=reason)
    except Invalid as failure:
        return await _resuming(visit, reason, failure)
    return visit.redirect("/catalogue", notice=f"On again: {answer['what']}")


async def _asking(visit: Visit, form: Any, failure: Failure | None = None) -> Shown:
    given = _given(form)
    what, problem = "", failure.message if failure else None
    if given.get("kind") in _KINDS and not _unnamed(given):
        try:
            what = (await visit.run("stop", **given, reason="looking at what would stop", dry_run=True))["what"]
        except _MAY_BE_TOLD as found:
            problem = problem or found.message
    status = _UNPROCESSABLE if failure else 200
    return visit.page(
        "stop.html", status=status, what=what, given=given, problem=problem, reason=form.get("reason", "")
    )


async def _resuming(visit: Visit, reason: str, failure: Failure | None = None) -> Shown:
    number = _number(visit)
    answer = await visit.run("resume", number=number, reason="looking at what would resume", dry_run=True)
    problem = failure.message if failure else None
    status = _UNPROCESSABLE if failure else 200
    return visit.page("resume.html", status=status, what=answer["what"], number=number, problem=problem, reason=reason)


def _given(form: Any) -> dict[str, str]:
    return {name: text for name in ("kind", "server", "name", "lasts") if (text := form.get(name, "").strip())}


def _unnamed(given: dict[str, str]) -> bool:
    """Whether it is still to be said who is to be stopped: the page asks for that first."""
    return given.get("kind") in {"client", "user"} and "name" not in given


def _number(visit: Visit) -> int:
    text = visit.path["number"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - fits 64 bits
        raise NotFound("Nothing is stopped under that number.")
    return int(text)


def _grouped(offered: dict[str, Any]) -> dict[str, Any]:
    """With its policies by what they ask for: several often ask the same."""
    asking: dict[str, list[dict[str, Any]]] = {}
    for policy in offered["policies"]:
        asking.setdefault(policy["what"], []).append(policy)
    return {**offered, "asking": asking}


def _shown(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "reason": revealed(one["reason"]), "name": revealed(one["name"] or "")}


views = (
    View("GET", "/catalogue", everything),
    View("GET", "/catalogue/stop", ask),
    View("POST", "/catalogue/stop", stop),
    View("GET", "/catalogue/resume/{number}", ask_resume),
    View("POST", "/catalogue/resume/{number}", resume),
)
