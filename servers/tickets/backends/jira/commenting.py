from datetime import UTC, datetime

from servers.tickets.answers import Commented
from servers.tickets.arguments import AddComment
from servers.tickets.backends.jira import adf
from servers.tickets.backends.jira.markers import COMMENT, issue, label
from servers.tickets.backends.jira.reading import Reading
from servers.tickets.backends.jira.shapes import Added
from servers.tickets.models import INTERNAL, Comment
from shared.core.errors import Forbidden, Invalid
from shared.core.upstreams import Sender

_INTERNAL = "sd.public.comment"
"""The property by which Jira Service Management knows comments for colleagues."""


async def comment(reading: Reading, query: AddComment) -> Commented:
    """Add a comment, with the property by which it is found again."""
    if query.internal and not reading.call.caller.may(INTERNAL):
        message = "Comments for colleagues need tickets:internal; with internal=false the requester sees it."
        raise Forbidden(message, ["tickets:write", INTERNAL])
    if query.attachments:
        raise Invalid("Files are attached in Jira itself: leave attachments out.")
    if query.dry_run:
        await reading.one(query.ticket_id)
        return Commented(ticket_id=query.ticket_id, comment=_as_it_would_be(query, reading))

    async def send(sender: Sender, marker: str) -> str:
        body = {
            "body": adf.document(query.text),
            "properties": [
                {"key": _INTERNAL, "value": {"internal": query.internal}},
                {"key": label(marker), "value": {"by": "mcp-suite"}},
            ],
        }
        added = await sender.send("POST", issue(query.ticket_id, "comment"), body, Added)
        assert added is not None, "its answer was asked for"  # noqa: S101 - an invariant
        return added.id

    added = await reading.call.upstream.once(COMMENT, query.ticket_id, send)
    return Commented(ticket_id=query.ticket_id, comment=await reading.comment(query.ticket_id, added))


def _as_it_would_be(query: AddComment, reading: Reading) -> Comment:
    return Comment(
        id="0",
        text=query.text,
        internal=query.internal,
        author=reading.call.caller.subject,
        attachments=[],
        created_at=datetime.now(UTC),
    )
