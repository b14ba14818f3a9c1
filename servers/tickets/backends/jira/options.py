"""What has to be known of a Jira: which of its words is which of ours (docs/tickets-over-jira.md has the table)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from servers.tickets.due import Priority
from servers.tickets.models import QueueName, Type
from servers.tickets.workflow import Status

__all__ = ["Options", "Place"]

Word = TypeVar("Word", bound=StrEnum)
Names = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=255)], ...], Field(min_length=1)]
_CATEGORIES = {"new": Status.NEW, "indeterminate": Status.OPEN, "done": Status.RESOLVED}
CATEGORY_NAMES = {"new": "To Do", "indeterminate": "In Progress", "done": "Done"}
"""Jira's three kinds of statuses, by their keys and as its query language names them."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Frozen):
    """Where the tickets of one queue are: in a project, or in a component of it."""

    project: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,15}$", description="Its key.")]
    component: Annotated[str | None, Field(min_length=1, max_length=255)] = None


class Options(_Frozen):
    """`options` of the upstream `jira`. Of several names the first is written; all are read."""

    queues: Annotated[dict[QueueName, Place], Field(min_length=1)]
    types: dict[Type, Names]
    priorities: dict[Priority, Names] = {
        Priority.LOW: ("Low", "Lowest"),
        Priority.NORMAL: ("Medium",),
        Priority.HIGH: ("High",),
        Priority.URGENT: ("Highest",),
    }
    statuses: Annotated[
        dict[Status, Names], Field(description="Others are new, open or resolved, as Jira's category says.")
    ] = {}
    customer_field: Annotated[
        str | None, Field(pattern=r"^customfield_\d{1,10}$", description="A text field with the customer's id.")
    ] = None
    accounts: Annotated[
        dict[str, str], Field(description="By subject, the account; for `me` with a service credential.")
    ] = {}

    @model_validator(mode="after")
    def _each_is_one(self) -> Self:
        for words in (self.types, self.priorities, self.statuses):
            names = [name.casefold() for several in words.values() for name in several]
            if len(names) != len(set(names)):
                raise ValueError("a name of Jira's stands for two words of ours")
        if Status.MERGED in self.statuses:
            raise ValueError("nothing is merged in Jira")
        return self

    @property
    def projects(self) -> list[str]:
        return sorted({place.project for place in self.queues.values()})

    def type_of(self, name: str) -> Type:
        return _word(self.types, name, Type.REQUEST)

    def priority_of(self, name: str | None) -> Priority:
        return _word(self.priorities, name or "", Priority.NORMAL)

    def status_of(self, name: str, category: str) -> Status:
        return _word(self.statuses, name, _CATEGORIES.get(category, Status.OPEN))

    def category_of(self, status: Status) -> str | None:
        """The kind of statuses that is this one of ours, where they have no names."""
        return next((category for category, ours in _CATEGORIES.items() if ours == status), None)

    def queue_of(self, project: str, components: list[str]) -> str | None:
        """The queue of an issue; None if it is in none of them."""
        there = {name: place for name, place in self.queues.items() if place.project == project}
        named = (name for name, place in there.items() if place.component in components)
        return next(named, None) or next((name for name, place in there.items() if place.component is None), None)


def _word(words: Mapping[Word, Names], name: str, otherwise: Word) -> Word:
    """The word of ours that a name of Jira's stands for."""
    known = {each.casefold(): word for word, names in words.items() for each in names}
    return known.get(name.casefold(), otherwise)
