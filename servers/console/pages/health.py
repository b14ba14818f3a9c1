"""Health at a glance: plots, figures, and the same as a table."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from servers.console.showing.plots import Series, plot
from shared.core.web import Shown, View, Visit

_MOST = 4
"""Lines in one plot; what is beyond them is in the table."""


async def health(visit: Visit) -> Shown:
    window = "day" if visit.query.get("window") == "day" else "hour"
    found = await visit.run("get_health", window=window)
    measured = found["measured"]
    rows = _by_server(measured)
    return visit.page("health.html", window=window, found=found, rows=rows, plots=_plots(found, rows, window))


def _by_server(measured: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sums of each server, the busiest first; latencies are the worst of any span."""
    made: dict[str, dict[str, Any]] = {}
    for one in measured:
        row = made.setdefault(
            one["server"],
            {"server": one["server"], "calls": 0, "failed": 0, "refused": 0, "p50_s": None, "p95_s": None},
        )
        for name in ("calls", "failed", "refused"):
            row[name] += one[name]
        for name in ("p50_s", "p95_s"):
            row[name] = max((each for each in (row[name], one[name]) if each is not None), default=None)
    return sorted(made.values(), key=lambda row: -row["calls"])


def _plots(found: dict[str, Any], rows: Sequence[dict[str, Any]], window: str) -> list[dict[str, Any]]:
    start, step = datetime.fromisoformat(found["since"]), timedelta(seconds=found["step_s"])
    times = [start + step * place for place in range(found["spans"])]
    spans = {(datetime.fromisoformat(one["began"]), one["server"]): one for one in found["measured"]}
    names = [row["server"] for row in rows[:_MOST]]
    per = "minute" if window == "hour" else "quarter of an hour"

    def series(value: Callable[[dict[str, Any]], float | None], empty: float | None) -> list[Series]:
        return [
            Series(name, [value(spans[time, name]) if (time, name) in spans else empty for time in times])
            for name in names
        ]

    def made(key: str, title: str, lines: Sequence[Series], unit: str = "") -> dict[str, Any]:
        return {"title": title, "svg": _drawn(key, title, times, lines, unit), "names": names}

    return [
        made("calls", f"Calls each {per}", series(lambda one: one["calls"], 0)),
        made("errors", f"Failed or refused each {per}", series(lambda one: one["failed"] + one["refused"], 0)),
        made("p50", "Half of the calls took no longer", series(lambda one: _ms(one["p50_s"]), None), " ms"),
        made("p95", "95 of 100 calls took no longer", series(lambda one: _ms(one["p95_s"]), None), " ms"),
    ]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _drawn(key: str, title: str, times: Sequence[datetime], lines: Sequence[Series], unit: str) -> Markup:
    most = [f"{one.name} at most {max((v for v in one.values if v is not None), default=0):.4g}{unit}" for one in lines]
    said = f"From {times[0]:%H:%M} to {times[-1]:%H:%M} UTC: {', '.join(most) or 'no calls'}. The table has the sums."
    return plot(f"plot-{key}", title, said, times, lines, unit)


views = (View("GET", "/health", health),)
