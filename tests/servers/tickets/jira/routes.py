"""The resources of REST API v3 that the server uses, each with its status and shape."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.servers.tickets.jira import searching
from tests.servers.tickets.jira.issues import Issues, Refused


@dataclass(frozen=True)
class Asked:
    """One request that was let in."""

    there: Issues
    who: str
    body: Mapping[str, Any]
    query: Mapping[str, str]
    url: str


Answer = tuple[int, Any]


def answer(method: str, path: str, asked: Asked) -> Answer:
    """The status and the body.

    Raises:
        Refused: With another status.
    """
    for (verb, pattern), act in _ROUTES.items():
        found = re.fullmatch(pattern, path.removeprefix("/rest/api/3/"))
        if verb == method and found is not None:
            return act(asked, *(unquote(part) for part in found.groups()))
    raise Refused(404, "dead link")


def _create(asked: Asked) -> Answer:
    return 201, asked.there.create(asked.body, asked.who, asked.url)


def _fetch(asked: Asked) -> Answer:
    there = asked.there
    keys: list[str] = [key for key in asked.body["issueIdsOrKeys"] if key in there.kept]
    shown = [] if asked.who in there.closed_to else [there.kept[key] for key in keys]
    return 200, {"issues": shown, "issueErrors": []}


def _search(asked: Asked) -> Answer:
    there, body = asked.there, asked.body
    every = [each for key, each in there.kept.items() if key not in there.hidden and asked.who not in there.closed_to]
    found = [each for each in every if searching.found(body["jql"], each, asked.who)]
    found.sort(key=lambda each: each["fields"]["updated"], reverse=True)
    start = int(body.get("nextPageToken", "0").removeprefix("page-") or 0)
    page = found[start : start + body.get("maxResults", 50)]
    more = start + len(page) < len(found)
    shown: dict[str, Any] = {"issues": page, "isLast": not more}
    return 200, {**shown, "nextPageToken": f"page-{start + len(page)}"} if more else shown


def _noted(asked: Asked) -> Answer:
    every = [each for several in asked.there.comments.values() for each in several]
    return 200, {"values": [each for each in every if int(each["id"]) in asked.body["ids"]]}


def _myself(asked: Asked) -> Answer:
    return 200, {"accountId": asked.who, "displayName": "Me", "emailAddress": "me@acme.example"}


def _issue(asked: Asked, key: str) -> Answer:
    return 200, asked.there.issue(key, asked.who)


def _edit(asked: Asked, key: str) -> Answer:
    asked.there.edit(key, asked.body, asked.who)
    return 204, None


def _ways(asked: Asked, key: str) -> Answer:
    return 200, {"expand": "transitions", "transitions": asked.there.ways(key, asked.who)}


def _move(asked: Asked, key: str) -> Answer:
    asked.there.move(key, asked.body, asked.who)
    return 204, None


def _property(asked: Asked, key: str, name: str) -> Answer:
    asked.there.issue(key, asked.who)
    if name not in asked.there.properties[key]:
        raise Refused(404, "The property does not exist.")
    return 200, {"key": name, "value": asked.there.properties[key][name]}


def _comments(asked: Asked, key: str) -> Answer:
    asked.there.issue(key, asked.who)
    start, most = int(asked.query.get("startAt", "0")), int(asked.query.get("maxResults", "50"))
    said = [_shown(each) for each in asked.there.comments[key][::-1]]
    return 200, {"startAt": start, "total": len(said), "comments": said[start : start + most]}


def _shown(comment: Mapping[str, Any]) -> dict[str, Any]:
    """Properties are told to whoever expands them alone."""
    return {name: value for name, value in comment.items() if name != "properties"}


def _comment(asked: Asked, key: str) -> Answer:
    return 201, asked.there.comment(key, asked.body, asked.who)


def _one_comment(asked: Asked, key: str, comment_id: str) -> Answer:
    asked.there.issue(key, asked.who)
    found = [each for each in asked.there.comments[key] if each["id"] == comment_id]
    if not found:
        raise Refused(404, "Can not find a comment for the id.")
    return 200, _shown(found[0])


def _link(asked: Asked) -> Answer:
    asked.there.link(asked.body, asked.who)
    return 201, None


def _unlink(asked: Asked, link_id: str) -> Answer:
    asked.there.unlink(link_id, asked.who)
    return 204, None


_KEY = "issue/([A-Z0-9_]+-[0-9]+)"
_ROUTES: dict[tuple[str, str], Callable[..., Answer]] = {
    ("POST", "issue"): _create,
    ("POST", "issue/bulkfetch"): _fetch,
    ("POST", "search/jql"): _search,
    ("POST", "comment/list"): _noted,
    ("GET", "myself"): _myself,
    ("GET", _KEY): _issue,
    ("PUT", _KEY): _edit,
    ("GET", f"{_KEY}/transitions"): _ways,
    ("POST", f"{_KEY}/transitions"): _move,
    ("GET", f"{_KEY}/properties/([^/]+)"): _property,
    ("GET", f"{_KEY}/comment"): _comments,
    ("POST", f"{_KEY}/comment"): _comment,
    ("GET", f"{_KEY}/comment/([0-9]+)"): _one_comment,
    ("POST", "issueLink"): _link,
    ("DELETE", "issueLink/([0-9]+)"): _unlink,
}
