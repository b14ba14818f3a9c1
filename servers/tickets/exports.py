"""Making an export: all tickets there were when it began, each as it is when its turn comes.

It goes through them in the order of ids, and what it has kept is kept: after a crash it goes on behind the last part.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from servers.tickets import export_queries
from servers.tickets.arguments import ExportTickets, Where
from servers.tickets.exporting import PART_ROWS, PARTS, ROWS_MAX
from servers.tickets.finding import conditions
from servers.tickets.tools import tools
from servers.tickets.views import ticket
from servers.tickets.write_queries import NOW
from shared.core.work import Working

_ALL = Where()


@tools.work("export_tickets", parts=PARTS)
async def export(work: Working, query: ExportTickets) -> None:
    """Keep every ticket that fits, in parts."""
    where = query.where or _ALL
    asked = conditions(where) | ({"label": where.label} if where.label else {})
    began, after = await _position(work, frozenset(asked), asked)
    while work.done < ROWS_MAX:
        rows = await work.reads.rows(
            export_queries.page(frozenset(asked)),
            **asked,
            began=datetime.fromisoformat(began),
            after=after,
            limit=PART_ROWS,
        )
        if not rows:
            return
        after = rows[-1]["id"]
        await work.keep([ticket(row).model_dump(mode="json") for row in rows], {"began": began, "after": after})


async def _position(work: Working, names: frozenset[str], asked: Mapping[str, Any]) -> tuple[str, str]:
    """When it began, and the last ticket that is kept."""
    if work.checkpoint is not None:
        return work.checkpoint["began"], work.checkpoint["after"]
    [now] = await work.reads.rows(NOW)
    [found] = await work.reads.rows(export_queries.count(names), **asked, began=now["now"], limit=ROWS_MAX + 1)
    await work.expect(min(found["tickets"], ROWS_MAX), truncated=found["tickets"] > ROWS_MAX)
    return now["now"].isoformat(), ""
