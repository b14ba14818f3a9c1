"""Times as people say them."""

from datetime import UTC, datetime

_UNITS = ((86_400, "day", "days"), (3600, "h", "h"), (60, "min", "min"))


def relative(moment: str | datetime, now: datetime | None = None) -> str:
    """How far away it is: `in 42 min`, `3 h ago`; `now` for less than a minute."""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    seconds = (at - (now or datetime.now(UTC))).total_seconds()
    for size, one, many in _UNITS:
        number = int(abs(seconds) // size)
        if number:
            words = f"{number} {one if number == 1 else many}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "now"
