"""The audit: what fits, one record in full, and a check of the chain step by step."""

from datetime import UTC, datetime, timedelta
from typing import Any

from servers.console.showing.revealing import revealed
from shared.core.errors import Invalid, InvalidCursor
from shared.core.web import Shown, View, Visit

FIELDS = ("person", "about", "server", "client", "outcome", "kind", "request_id", "trace_id")
"""What can be asked for as it is typed."""

_UNPROCESSABLE = 422


async def explore(visit: Visit) -> Shown:
    """Records that fit what the address asks for."""
    wanted, found, problem = filters(visit), None, None
    try:
        found = await visit.run("search_audit", **moments(wanted), cursor=visit.query.get("cursor"))
    except (Invalid, InvalidCursor) as error:
        problem = str(error)
    records = [shown(one) for one in found["records"]] if found else []
    return visit.page(
        "audit.html",
        status=_UNPROCESSABLE if problem else 200,
        wanted=wanted,
        records=records,
        next_cursor=found["next_cursor"] if found else None,
        problem=problem,
    )


async def record(visit: Visit) -> Shown:
    found = await visit.run("get_record", record_id=visit.path["record_id"])
    related = [shown(one) for one in found["related"] if one["id"] != found["line"]["id"]]
    return visit.page("record.html", record=found, line=found["line"], related=related, body=revealed(found["body"]))


async def check(visit: Visit) -> Shown:
    """One step of a check; the page has a button for the next."""
    try:
        found = await visit.run("check_audit", cursor=visit.query.get("cursor"))
    except InvalidCursor:
        return visit.redirect("/audit/check", notice="That check was begun elsewhere; this one begins anew.")
    return visit.page("check.html", checked=found)


def filters(visit: Visit) -> dict[str, Any]:
    """What the address asks for: what is empty is not asked for."""
    given = {name: text for name in (*FIELDS, "since", "until") if (text := visit.query.get(name, "").strip())}
    return {**given, **({"intents": True} if visit.query.get("intents") else {})}


def moments(wanted: dict[str, Any]) -> dict[str, Any]:
    """The same with days and minutes as UTC, the last day whole.

    Raises:
        Invalid: It is no such time.
    """
    made = dict(wanted)
    for name in ("since", "until"):
        if name in made:
            made[name] = _moment(made[name], name).isoformat()
    return made


def _moment(text: str, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        whole = timedelta(days=1) if name == "until" and len(text) == len("2026-11-22") else timedelta()
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) + whole
    except (ValueError, OverflowError):
        raise Invalid(f"{name.capitalize()}: write a day like 2026-11-22, or a time like 2026-11-22T13:30.") from None


def shown(line: dict[str, Any]) -> dict[str, Any]:
    """A line of a list, with what others wrote made visible."""
    return {**line, "told": revealed(line["told"]), "target": revealed(line["target"] or "")}


views = (
    View("GET", "/audit", explore),
    View("GET", "/audit/check", check),
    View("GET", "/audit/records/{record_id}", record),
)
