"""Tickets like another, or like some words: duplicates to merge, and how the same was solved before."""

import re

from servers.tickets import queries
from servers.tickets.answers import SimilarTicket, SimilarTickets
from servers.tickets.arguments import Similar
from servers.tickets.finding import RANKED_MAX
from servers.tickets.saving import no_ticket
from servers.tickets.tools import tools
from servers.tickets.views import summary
from shared.core.tool import Call

_WORD = re.compile(r"[^\W_]{2,40}")
_WORDS_MAX = 32


@tools.read("tickets:read")
async def suggest_similar(call: Call, query: Similar) -> SimilarTickets:
    """Find tickets like one there is, or like a description, the most alike first, each with its resolution.
    Use it before create_ticket, and in triage to find duplicates and what helped before. It compares words, not
    meaning: read what it finds before you merge anything. To find by exact words use search_tickets.
    """
    text = query.text
    if query.ticket_id is not None:
        row = await call.database.row(queries.BY_IDS, ids=[query.ticket_id])
        if row is None:
            raise no_ticket(query.ticket_id)
        text = f"{row['title']} {row['body']}"
    words = any_of(text or "")
    if not words:
        return SimilarTickets(similar=[])
    rows = await call.database.rows(
        queries.SIMILAR,
        wanted=words,
        required=[],
        alternatives=[],
        most=RANKED_MAX,
        but=query.ticket_id or "",
        limit=query.limit,
    )
    return SimilarTickets(
        similar=[
            SimilarTicket(ticket=summary(row), score=round(row["rank"], 4), resolution=row["resolution"])
            for row in rows
            if row["rank"] > 0
        ]
    )


def any_of(text: str) -> str:
    """What has any of the first words of the text, as `to_tsquery` takes it."""
    words = dict.fromkeys(_WORD.findall(text.lower()))
    return " | ".join(f"'{word}'" for word in list(words)[:_WORDS_MAX])
