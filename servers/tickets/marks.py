"""Words that the index of texts has beside those of the text: what a ticket is, so that it answers filters as well.

Of very many tickets with a word only some are looked at. Were filters applied to those, most of what fits would be
missed.
"""

from collections.abc import Mapping
from typing import Any

from servers.tickets.arguments import Where
from servers.tickets.workflow import UNFINISHED

_UNASSIGNED = "unassigned"


def marks(tenant: str, fields: Mapping[str, Any]) -> list[str]:
    """Of a ticket with these fields."""
    assignee, customer_id = fields["assignee"], fields["customer_id"]
    return [
        f"tenant:{tenant}",
        *(f"{name}:{fields[name]}" for name in ("queue", "status", "type", "priority")),
        f"assignee:{assignee}" if assignee else _UNASSIGNED,
        *([f"customer:{customer_id}"] if customer_id else []),
        *(f"label:{label}" for label in fields["labels"]),
        *map(watched_by, fields["watchers"]),
    ]


def watched_by(user: str) -> str:
    return f"watcher:{user}"


def required(where: Where) -> list[str]:
    """Those that a ticket must have all of; the tenant's is asked for anyway."""
    given = {name: getattr(where, name) for name in ("queue", "type", "priority", "assignee", "label")}
    found = [f"{name}:{value}" for name, value in {**given, "customer": where.customer_id}.items() if value is not None]
    return [*found, *([_UNASSIGNED] if where.unassigned else [])]


def alternatives(where: Where) -> list[str]:
    """Those that it must have one of; none: whichever."""
    wanted = where.status or (sorted(UNFINISHED) if where.overdue else [])
    return [f"status:{status}" for status in wanted]
