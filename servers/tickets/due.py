"""When a ticket is due: by its priority, from when it was made."""

from datetime import datetime, timedelta
from enum import StrEnum


class Priority(StrEnum):
    """How urgent a ticket is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


DUE_IN = {
    Priority.LOW: timedelta(days=10),
    Priority.NORMAL: timedelta(days=3),
    Priority.HIGH: timedelta(days=1),
    Priority.URGENT: timedelta(hours=4),
}


def due(priority: Priority, created_at: datetime) -> datetime:
    """By then it should be resolved, unless somebody says otherwise."""
    return created_at + DUE_IN[priority]
