"""How each write is found again: what it leaves in Jira, and where that is looked for.

create       a label `mcp-suite-<marker>`                  searched, which may lag behind
edit, move   a property of the issue of that name         read
comment      a property of the comment of that name       read, with the comments of that time
link         the link itself: Jira keeps one of a kind    read
"""

from datetime import datetime, timedelta

from servers.tickets.backends.jira.fields import LINK_TYPES, MARKER
from servers.tickets.backends.jira.jql import quoted
from servers.tickets.backends.jira.shapes import Comments, Linked, Marked, Noted, Properties, Property
from servers.tickets.models import LinkKind
from shared.core.errors import NotFound, Unavailable
from shared.core.upstreams import Reader, Step

__all__ = ["API", "COMMENT", "CREATE", "EDIT", "LINK", "MOVE", "STEPS", "UNLINK", "is_linked", "issue", "label"]

API = ("rest", "api", "3")
_PAGE = 100
_PAGES = 10
_CLOCKS_DIFFER = timedelta(minutes=10)


def issue(key: str, *more: str) -> tuple[str, ...]:
    """The path of an issue, or of something of it."""
    return (*API, "issue", key, *more)


def label(marker: str) -> str:
    """What a write is found by."""
    return MARKER + marker


async def _created(reader: Reader, _target: str, marker: str, _sent_at: datetime) -> str | None:
    query = {"jql": f"labels = {quoted(label(marker))}", "fields": ["labels"], "maxResults": 2}
    found = await reader.ask((*API, "search", "jql"), query, Marked)
    return found.issues[0].key if found.issues else None


async def _edited(reader: Reader, target: str, marker: str, _sent_at: datetime) -> str | None:
    try:
        await reader.get(issue(target, "properties", label(marker)), Property)
    except NotFound:
        return None
    return target


async def _commented(reader: Reader, target: str, marker: str, sent_at: datetime) -> str | None:
    since = sent_at - _CLOCKS_DIFFER
    for page in range(_PAGES):
        query = {"orderBy": "-created", "startAt": page * _PAGE, "maxResults": _PAGE}
        comments = (await reader.get(issue(target, "comment"), Comments, query)).comments
        ids = [int(each.id) for each in comments if each.created >= since]
        if ids:
            noted = await reader.ask((*API, "comment", "list"), {"ids": ids}, Properties, {"expand": "properties"})
            if (found := next((each for each in noted.values if _has(each, marker)), None)) is not None:
                return found.id
        if len(ids) < _PAGE:
            return None
    raise Unavailable("Too much was said there since to tell whether the comment is among it. Look it up.")


def _has(noted: Noted, marker: str) -> bool:
    return any(each.key == label(marker) for each in noted.properties)


async def _linked(reader: Reader, target: str, _marker: str, _sent_at: datetime) -> str | None:
    return target if await is_linked(reader, target) else None


async def _unlinked(reader: Reader, target: str, _marker: str, _sent_at: datetime) -> str | None:
    return None if await is_linked(reader, target) else target


async def is_linked(reader: Reader, target: str) -> str | None:
    """The id of the link that `target` names: two ids, and how the first stands to the second."""
    key, kind, other = target.split(" ")
    found = await reader.get(issue(key), Linked, {"fields": "issuelinks"})
    for link in found.fields.issuelinks:
        outward, inward = LINK_TYPES.get(link.type.name, (None, None))
        if link.outward and link.outward.key == other and outward == LinkKind(kind):
            return link.id
        if link.inward and link.inward.key == other and inward == LinkKind(kind):
            return link.id
    return None


CREATE = Step("create", _created)
EDIT = Step("edit", _edited)
MOVE = Step("move", _edited)
COMMENT = Step("comment", _commented)
LINK = Step("link", _linked)
UNLINK = Step("unlink", _unlinked)
STEPS = (CREATE, EDIT, MOVE, COMMENT, LINK, UNLINK)
