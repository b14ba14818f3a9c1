# ruff: noqa: D101 - they are named as Jira's own reference names them, which says what they are
"""What we take of Jira's answers. What is not named here is not looked at; what is named has its shape, or the answer
counts as none.
"""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Key = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,15}-[0-9]{1,12}$")]
Id = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]


def _moment(value: object) -> object:
    """Jira writes `2026-03-01T12:00:00.123+0000`."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


Moment = Annotated[datetime, BeforeValidator(_moment)]
Short = Annotated[str, Field(max_length=255)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, strict=True)


class Account(_Shape):
    account_id: Annotated[str, Field(alias="accountId", min_length=1, max_length=128, pattern=r"^\S+$")]
    name: Annotated[str | None, Field(alias="displayName", max_length=255)] = None
    email: Annotated[str | None, Field(alias="emailAddress", max_length=320)] = None


class Named(_Shape):
    name: Short


class Category(_Shape):
    key: Short


class Standing(Named):
    category: Annotated[Category, Field(alias="statusCategory")]


class Project(_Shape):
    key: Short


class Other(_Shape):
    key: Key


class LinkType(_Shape):
    name: Short


class IssueLink(_Shape):
    id: Id
    type: LinkType
    inward: Annotated[Other | None, Field(alias="inwardIssue")] = None
    outward: Annotated[Other | None, Field(alias="outwardIssue")] = None


class File(_Shape):
    name: Annotated[str, Field(alias="filename")]
    mime_type: Annotated[str, Field(alias="mimeType")] = "application/octet-stream"
    size: Annotated[int, Field(ge=0)]


class Fields(_Shape):
    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, strict=True)

    summary: str
    description: dict[str, Any] | None = None
    issuetype: Named
    status: Standing
    priority: Named | None = None
    project: Project
    components: list[Named] = []
    assignee: Account | None = None
    reporter: Account | None = None
    creator: Account | None = None
    labels: list[str] = []
    duedate: Annotated[
        date | None, BeforeValidator(lambda value: date.fromisoformat(value) if isinstance(value, str) else value)
    ] = None
    created: Moment
    updated: Moment
    resolutiondate: Moment | None = None
    resolution: Named | None = None
    issuelinks: list[IssueLink] = []
    parent: Other | None = None
    attachment: list[File] = []


class Issue(_Shape):
    key: Key
    fields: Fields


class _LinkFields(_Shape):
    issuelinks: list[IssueLink] = []
    labels: list[str] = []


class Linked(_Shape):
    """An issue by nothing but its links and labels."""

    fields: _LinkFields


class SearchPage(_Shape):
    issues: list[Issue]
    next_token: Annotated[str | None, Field(alias="nextPageToken", max_length=2000)] = None


class Marked(_Shape):
    """Issues by nothing but their keys."""

    issues: list[Other]


class Fetched(_Shape):
    issues: list[Issue]


class Made(_Shape):
    key: Key


class Remark(_Shape):
    id: Id
    author: Account | None = None
    body: dict[str, Any]
    created: Moment
    public: Annotated[bool | None, Field(alias="jsdPublic")] = None


class Comments(_Shape):
    comments: list[Remark]
    total: Annotated[int, Field(ge=0)]


class Property(_Shape):
    key: str


class Noted(_Shape):
    id: Id
    properties: list[Property] = []


class Properties(_Shape):
    """Comments by nothing but what is noted with them."""

    values: list[Noted]


class Added(_Shape):
    id: Id


class Way(_Shape):
    id: Id
    name: Short
    to: Standing


class Moves(_Shape):
    transitions: list[Way]
