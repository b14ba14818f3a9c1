"""Questions in Jira's query language. Nothing that a caller says is more than a value between quotes."""

import re
from collections.abc import Iterable

from servers.tickets.arguments import Mine, Search, Where
from servers.tickets.backends.jira.options import CATEGORY_NAMES, Options, Place
from servers.tickets.workflow import Status
from shared.core.errors import Invalid

__all__ = ["mine", "quoted", "search"]

_WORD = re.compile(r"\w+")
_WORDS_MAX = 20
_ORDER = " ORDER BY updated DESC, key DESC"
UNFINISHED = 'statusCategory != "Done"'


def quoted(value: str) -> str:
    """A value as JQL takes it, whatever is in it (JQL: strings)."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def search(query: Search, options: Options, person: str | None) -> str:
    """What fits the query.

    Args:
        query: Of the caller.
        options: What is what in this Jira.
        person: The account that `query.assignee` is; None for the caller's own.

    Raises:
        Invalid: Something is asked for that this Jira does not have.
    """
    clauses = [*_where(query, options, person), *_text(query.query)]
    return " AND ".join(clauses) + _ORDER


def mine(query: Mine, options: Options, person: str | None) -> str:
    """What is the person's own."""
    field = {"assigned": "assignee", "watching": "watcher", "created": "reporter"}[query.role]
    clauses = [_in("project", options.projects), f"{field} = {_person(person)}"]
    return " AND ".join(clauses if query.finished else [*clauses, UNFINISHED]) + _ORDER


def _in(field: str, values: Iterable[str]) -> str:
    return f"{field} IN ({', '.join(map(quoted, values))})"


def _person(account: str | None) -> str:
    return "currentUser()" if account is None else quoted(account)


def _where(where: Where, options: Options, person: str | None) -> list[str]:
    clauses = [_queue(where.queue, options)]
    if where.status:
        clauses.append("(" + " OR ".join(_status(status, options) for status in where.status) + ")")
    if where.type:
        clauses.append(_in("issuetype", _known(options.types.get(where.type), where.type)))
    if where.priority:
        clauses.append(_in("priority", _known(options.priorities.get(where.priority), where.priority)))
    if where.assignee:
        clauses.append(f"assignee = {_person(person)}")
    if where.unassigned:
        clauses.append("assignee IS EMPTY")
    if where.customer_id:
        field = _known((options.customer_field,) if options.customer_field else None, "customer_id")[0]
        clauses.append(f"cf[{field.removeprefix('customfield_')}] ~ {quoted(where.customer_id)}")
    if where.label:
        clauses.append(f"labels = {quoted(where.label)}")
    if where.overdue:
        clauses += ["due < now()", UNFINISHED]
    return clauses


def _queue(name: str | None, options: Options) -> str:
    if name is None:
        return _in("project", options.projects)
    place = options.queues.get(name)
    if place is None:
        raise Invalid(f"There is no queue {name}; there are: {', '.join(sorted(options.queues))}")
    return _place(place)


def _place(place: Place) -> str:
    project = f"project = {quoted(place.project)}"
    return f"{project} AND component = {quoted(place.component)}" if place.component else project


def _status(status: Status, options: Options) -> str:
    """By name; and by Jira's category, for those that have no word of ours."""
    names, category = options.statuses.get(status, ()), options.category_of(status)
    ways = [_in("status", names)] if names else []
    if category is not None:
        others = [name for several in options.statuses.values() for name in several]
        ways.append(
            f"(statusCategory = {quoted(CATEGORY_NAMES[category])}"
            + (f" AND NOT {_in('status', others)})" if others else ")")
        )
    if not ways:
        raise Invalid(f"No status of this Jira is {status}. Leave it out, or look for another.")
    return " OR ".join(ways)


def _known(names: tuple[str, ...] | None, word: str) -> tuple[str, ...]:
    if not names:
        raise Invalid(f"This Jira does not know {word}. Leave it out, or look for another.")
    return names


def _text(words: str | None) -> list[str]:
    """Every word has to be there. Only letters and digits go into it: the rest means something to Jira's index."""
    if not words:
        return []
    found = _WORD.findall(words.lower())[:_WORDS_MAX]
    if not found:
        raise Invalid("query needs a word of letters or digits")
    return [f"text ~ {quoted(word)}" for word in found]
