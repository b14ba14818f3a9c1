"""An issue as a ticket, and what of a ticket is which field of an issue."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from typing import Any
from zlib import crc32

from servers.tickets.answers import TicketDiff
from servers.tickets.backends.jira import adf
from servers.tickets.backends.jira.options import Options
from servers.tickets.backends.jira.shapes import Fields, File, Issue, IssueLink
from servers.tickets.models import LABELS_MAX, LINKS_MAX, Attachment, LinkKind, Ticket, TicketLink, TicketSummary
from servers.tickets.workflow import UNFINISHED
from shared.core.errors import Invalid, NotFound

__all__ = ["LINK_TYPES", "MARKER", "NAMES", "changed", "diff", "fields_of", "summary", "ticket", "version"]

MARKER = "mcp-suite-"
"""Begins the labels and properties by which our writes are found again."""
NAMES = (
    *("summary", "description", "issuetype", "status", "priority", "project", "components", "assignee", "reporter"),
    *("creator", "labels", "duedate", "created", "updated", "resolutiondate", "resolution", "issuelinks", "parent"),
    "attachment",
)
"""The fields that are asked for."""
LINK_TYPES = {
    "Blocks": (LinkKind.BLOCKS, LinkKind.BLOCKED_BY),
    "Duplicate": (LinkKind.DUPLICATES, LinkKind.DUPLICATED_BY),
    "Relates": (LinkKind.RELATES_TO, LinkKind.RELATES_TO),
}
"""Jira's types of links, each as the two ends call it; those of any other name are shown as relates_to."""
_ELSEWHERE = "elsewhere"
_MIME_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")


def version(fields: Fields) -> int:
    """Stands for the issue as it is; another number after each change, not a greater one."""
    return 1 + crc32(fields.updated.isoformat().encode()) % (2**31 - 2)


def ticket(issue: Issue, options: Options) -> Ticket:
    """The issue.

    Raises:
        NotFound: It is in none of the projects that are ours to show.
    """
    fields = issue.fields
    status = options.status_of(fields.status.name, fields.status.category.key)
    due = datetime.combine(fields.duedate, time.max.replace(microsecond=0), UTC) if fields.duedate else None
    return Ticket(
        id=issue.key,
        type=options.type_of(fields.issuetype.name),
        title=fields.summary,
        priority=options.priority_of(fields.priority.name if fields.priority else None),
        status=status,
        queue=_queue(issue, options),
        assignee=fields.assignee.account_id if fields.assignee else None,
        customer_id=_customer(fields, options),
        due_at=due,
        overdue=due is not None and status in UNFINISHED and due < datetime.now(UTC),
        labels=sorted(label for label in fields.labels if not label.startswith(MARKER)),
        version=version(fields),
        updated_at=fields.updated,
        body=adf.text(fields.description),
        requester_name=fields.reporter.name if fields.reporter else None,
        requester_email=fields.reporter.email if fields.reporter else None,
        watchers=[],
        links=_links(fields),
        attachments=[_attachment(file) for file in fields.attachment[:LINKS_MAX]],
        resolution=fields.resolution.name if fields.resolution else None,
        created_by=fields.creator.account_id if fields.creator else None,
        created_at=fields.created,
        resolved_at=fields.resolutiondate,
    )


def summary(issue: Issue, options: Options) -> TicketSummary:
    whole = ticket(issue, options)
    return TicketSummary(**{name: getattr(whole, name) for name in TicketSummary.model_fields})


def _queue(issue: Issue, options: Options) -> str:
    fields = issue.fields
    if fields.project.key not in options.projects:
        raise NotFound(f"There is no ticket {issue.key}, or it is not yours to see.")
    return options.queue_of(fields.project.key, [each.name for each in fields.components]) or _ELSEWHERE


def _customer(fields: Fields, options: Options) -> str | None:
    found = (fields.model_extra or {}).get(options.customer_field) if options.customer_field else None
    return found if isinstance(found, str) and re.fullmatch(r"C-[0-9A-Z]{6,12}", found) else None


def _links(fields: Fields) -> list[TicketLink]:
    found = [_link(link) for link in fields.issuelinks]
    if fields.parent is not None:
        found.append(TicketLink(kind=LinkKind.CHILD_OF, ticket_id=fields.parent.key))
    return [link for link in found if link is not None][:LINKS_MAX]


def _link(link: IssueLink) -> TicketLink | None:
    """From this issue's end: an outward issue is what this one blocks, an inward one what blocks it."""
    outward, inward = LINK_TYPES.get(link.type.name, LINK_TYPES["Relates"])
    if link.outward is not None:
        return TicketLink(kind=outward, ticket_id=link.outward.key)
    return TicketLink(kind=inward, ticket_id=link.inward.key) if link.inward else None


def _attachment(file: File) -> Attachment:
    name = "".join(character if character.isprintable() else "·" for character in file.name)[:200] or "file"
    kind = file.mime_type.lower()
    return Attachment(
        name=name, mime_type=kind if _MIME_TYPE.fullmatch(kind) else "application/octet-stream", size=file.size
    )


def fields_of(wished: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """The fields of an issue that hold these fields of a ticket.

    Raises:
        Invalid: Jira has no place for one of them.
    """
    found: dict[str, Any] = {}
    for name, value in wished.items():
        if (written := _WRITTEN.get(name)) is not None:
            found |= written(value, options)
        elif value:
            raise Invalid(f"Jira keeps its {name} itself: leave {name} out.")
    return found


def _name(names: Mapping[Any, tuple[str, ...]], word: Any) -> str:
    if word not in names:
        raise Invalid(f"This Jira has no {word}; there are: {', '.join(sorted(names))}")
    return names[word][0]


def _placed(queue: str, options: Options) -> dict[str, Any]:
    place = options.queues.get(queue)
    if place is None:
        raise Invalid(f"There is no queue {queue}; there are: {', '.join(sorted(options.queues))}")
    components = [{"name": place.component}] if place.component else []
    return {"project": {"key": place.project}, "components": components}


def _customer_field(value: str | None, options: Options) -> dict[str, Any]:
    if options.customer_field is None:
        if value is None:
            return {}
        raise Invalid("This Jira has no field for customers: leave customer_id out.")
    return {options.customer_field: value}


_WRITTEN: dict[str, Callable[[Any, Options], dict[str, Any]]] = {
    "title": lambda value, _: {"summary": value},
    "body": lambda value, _: {"description": adf.document(value)},
    "type": lambda value, options: {"issuetype": {"name": _name(options.types, value)}},
    "priority": lambda value, options: {"priority": {"name": _name(options.priorities, value)}},
    "labels": lambda value, _: {"labels": value},
    "due_at": lambda value, _: {"duedate": value.astimezone(UTC).date().isoformat() if value else None},
    "assignee": lambda value, _: {"assignee": {"accountId": value} if value else None},
    "queue": _placed,
    "customer_id": _customer_field,
}


def diff(before: Ticket, after: Ticket) -> TicketDiff:
    """What changed."""
    kept = [name for name in TicketDiff.model_fields if getattr(before, name) != getattr(after, name)]
    return TicketDiff.model_validate(
        {name: {"before": getattr(before, name), "after": getattr(after, name)} for name in kept}
    )


def changed(before: Ticket, wished: Mapping[str, Any]) -> Ticket:
    """The ticket as it would be, for a dry run."""
    values = {name: value for name, value in wished.items() if name in Ticket.model_fields}
    if len(values.get("labels", ())) > LABELS_MAX:
        raise Invalid(f"A ticket has at most {LABELS_MAX} labels.")
    return before.model_copy(update=values)
