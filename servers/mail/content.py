"""What somebody wants to send: what a draft says, or what the call says itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from servers.mail import queries
from servers.mail.arguments import Sendable
from servers.mail.templating.variables import Given
from shared.core.errors import Conflict, NotFound
from shared.core.tool import Call, Queries

_WORDS = ("subject", "text", "html")


@dataclass(frozen=True)
class Content:
    """A mail before anything is looked up.

    Attributes:
        words: Of subject, text and HTML what stands in place of the template's; text alone goes without HTML, and HTML
            alone gets its text from it, so that both always say the same.
    """

    sender: str
    to: Sequence[str]
    cc: Sequence[str]
    bcc: Sequence[str]
    template: str | None
    variables: Mapping[str, Given]
    attachments: Sequence[str]
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    draft_id: str | None = None
    draft_version: int | None = None


async def content_of(call: Call, query: Sendable) -> Content:
    """What is to be sent.

    Raises:
        NotFound: There is no such draft.
        Conflict: The draft is at another version, or was sent.
    """
    given = {word: getattr(query, word) for word in _WORDS if getattr(query, word) is not None}
    if query.draft_id is None:
        return _content(query.model_dump(), given)
    row = await draft_at(call.open_transaction or call.database, query.draft_id, query.version)
    own = {word: row[word] for word in _WORDS if row[word] is not None}
    return _content(row, _over(own, given), draft_id=row["id"], draft_version=row["version"])


def _content(fields: Mapping[str, Any], words: Mapping[str, str], **more: Any) -> Content:
    names = ("sender", "to", "cc", "bcc", "template", "variables", "attachments")
    return Content(**{name: fields[name] for name in names}, words=words, **more)


def _over(own: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The draft's words under those of the call: who replaces one body replaces both."""
    bodies = {"text", "html"}
    kept = {word: value for word, value in own.items() if not (word in bodies and bodies & given.keys())}
    return {**kept, **given}


async def draft_at(reads: Queries, draft_id: str, version: int | None, *, lock: bool = False) -> Mapping[str, Any]:
    """The row of a draft that was not sent yet, at this version.

    Raises:
        NotFound: There is none.
        Conflict: It is at another version, or was sent.
    """
    row = await reads.row(queries.LOCKED_DRAFT if lock else queries.DRAFT, id=draft_id)
    if row is None:
        raise NotFound(f"There is no draft {draft_id}. Make one with draft_email, which returns its id.")
    if row["mail_id"]:
        raise Conflict(
            f"{draft_id} was sent as {row['mail_id']}; get_email_status says how far it is. For another mail make "
            "another draft.",
            mail_id=row["mail_id"],
        )
    if row["version"] != version:
        raise Conflict(
            f"{draft_id} is at version {row['version']}, not {version}: somebody changed it. Read it again "
            f"(mail://{draft_id}), then repeat with the new version if it is still wanted.",
            current_version=row["version"],
        )
    return row
