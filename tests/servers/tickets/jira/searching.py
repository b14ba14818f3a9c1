"""As much of Jira's query language as this server uses; the rest is refused, as Jira refuses what it cannot read."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.servers.tickets.jira.issues import Refused

Fields = Mapping[str, Any]
_STRING = r'"((?:[^"\\]|\\.)*)"'
_CATEGORIES = {"new": "To Do", "indeterminate": "In Progress", "done": "Done"}


def found(jql: str, issue: Mapping[str, Any], who: str) -> bool:
    """Whether the issue fits the query."""
    question = jql.partition(" ORDER BY ")[0]
    return all(_fits(clause, issue["fields"], issue["key"], who) for clause in _split(question, " AND "))


def _split(text: str, word: str) -> list[str]:
    """At the word, where it stands neither between quotes nor between brackets."""
    parts: list[str] = []
    depth, quoted, start, at = 0, False, 0, 0
    while at < len(text):
        if text[at] == "\\" and quoted:
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            if depth == 0 and text.startswith(word, at):
                parts.append(text[start:at])
                at = start = at + len(word)
                continue
        at += 1
    return [*parts, text[start:]]


def _fits(clause: str, fields: Fields, key: str, who: str) -> bool:
    clause = clause.strip()
    if clause.startswith("NOT "):
        return not _fits(clause[4:], fields, key, who)
    if clause.startswith("(") and clause.endswith(")"):
        ways = _split(clause[1:-1], " OR ")
        return any(all(_fits(each, fields, key, who) for each in _split(way, " AND ")) for way in ways)
    for pattern, fits in _CLAUSES.items():
        if (match := re.fullmatch(pattern, clause, re.DOTALL)) is not None:
            return fits(fields, [_plain(each) for each in re.findall(_STRING, match[0])], who)
    raise Refused(400, f"Error in the JQL Query: {clause}")


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


def _account(fields: Fields, name: str) -> str | None:
    person: Mapping[str, str] | None = fields[name]
    return person["accountId"] if person else None


def _said(fields: Fields) -> str:
    return f"{fields['summary']} {fields['description']}".lower()


def _list(field: str) -> str:
    return rf"{field} (?:= {_STRING}|IN \({_STRING}(?:, {_STRING})*\))"


_CLAUSES: dict[str, Callable[[Fields, list[str], str], bool]] = {
    _list("project"): lambda fields, given, _: fields["project"]["key"] in given,
    _list("component"): lambda fields, given, _: any(each["name"] in given for each in fields["components"]),
    _list("issuetype"): lambda fields, given, _: fields["issuetype"]["name"] in given,
    _list("priority"): lambda fields, given, _: fields["priority"]["name"] in given,
    _list("status"): lambda fields, given, _: fields["status"]["name"] in given,
    _list("labels"): lambda fields, given, _: any(each in given for each in fields["labels"]),
    _list("assignee"): lambda fields, given, _: _account(fields, "assignee") in given,
    _list("reporter"): lambda fields, given, _: _account(fields, "reporter") in given,
    r"assignee = currentUser\(\)": lambda fields, _, who: _account(fields, "assignee") == who,
    r"assignee IS EMPTY": lambda fields, _given, _: fields["assignee"] is None,
    rf"statusCategory = {_STRING}": lambda fields, given, _: _category(fields) in given,
    rf"statusCategory != {_STRING}": lambda fields, given, _: _category(fields) not in given,
    rf"text ~ {_STRING}": lambda fields, given, _: given[0] in _said(fields),
    rf"cf\[10050\] ~ {_STRING}": lambda fields, given, _: fields.get("customfield_10050") in given,
    r"due < now\(\)": lambda fields, _given, _: bool(fields["duedate"]) and fields["duedate"] < "2026",
}


def _category(fields: Fields) -> str:
    return _CATEGORIES[fields["status"]["statusCategory"]["key"]]
