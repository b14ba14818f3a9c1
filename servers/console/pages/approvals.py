"""What waits, what was decided, and what the viewer asked for: lists of approvals."""

from datetime import UTC, datetime, timedelta
from typing import Any

from servers.console.showing.revealing import revealed
from servers.console.showing.times import relative
from shared.core.web import Shown, View, Visit

_SOON = timedelta(minutes=15)


async def home(visit: Visit) -> Shown:
    """Where a sign-in leads to: to the first page that is of any use to the viewer."""
    places = (("approvals:read", "/approvals"), ("audit:read", "/audit"))
    return visit.redirect(next((place for scope, place in places if visit.may(scope)), "/requests"))


async def waiting(visit: Visit) -> Shown:
    found = await visit.run("list_waiting")
    return visit.page("waiting.html", approvals=_lines(found))


async def past(visit: Visit) -> Shown:
    found = await visit.run("list_past", before=visit.query.get("before"))
    return visit.page("history.html", approvals=_lines(found), next_before=found["next_before"])


async def own(visit: Visit) -> Shown:
    found = await visit.run("list_requests")
    return visit.page("requests.html", approvals=_lines(found))


async def events(visit: Visit) -> Shown:
    """For lists: anything about any approval of the tenant."""
    return visit.events(["approvals:"])


def _lines(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [_line(one, datetime.now(UTC)) for one in found["approvals"]]


def _line(one: dict[str, Any], now: datetime) -> dict[str, Any]:
    """One approval for a list; `soon` means that little time is left."""
    soon = datetime.fromisoformat(one["expires_at"]) - now < _SOON
    times = {"asked": relative(one["created_at"], now), "expires": relative(one["expires_at"], now)}
    return {**one, **times, "gist": revealed(one["gist"]), "soon": soon}


views = (
    View("GET", "/", home),
    View("GET", "/approvals", waiting),
    View("GET", "/approvals/events", events),
    View("GET", "/history", past),
    View("GET", "/requests", own),
    View("GET", "/requests/events", events),
)
