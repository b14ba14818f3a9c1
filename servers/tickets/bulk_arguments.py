"""What a bulk change takes."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from servers.tickets.arguments import Where
from servers.tickets.due import Priority
from servers.tickets.models import Labels, QueueName, Resolution, TicketId, User
from servers.tickets.workflow import Status
from shared.core.tool import Arguments, WriteArguments
from shared.steps.redaction import Exact


class BulkWhere(Where):
    """Which tickets fit."""

    updated_before: Annotated[AwareDatetime | None, Field(description="Not touched since.")] = None

    @model_validator(mode="after")
    def _narrow(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one condition; all tickets there are is nothing to change at once")
        return self


class BulkChanges(Arguments):
    """What to change in each; what is absent stays."""

    priority: Priority | None = None
    queue: QueueName | None = None
    assignee: Annotated[User | None, Field(description="A user's subject; me: yourself; null: nobody.")] = None
    add_labels: Annotated[Labels | None, Field(min_length=1)] = None
    remove_labels: Annotated[Labels | None, Field(min_length=1)] = None
    status: Status | None = None
    resolution: Resolution | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if not self.model_fields_set - {"resolution"}:
            raise ValueError("name at least one change")
        kept = self.model_fields_set - {"assignee"}
        if cleared := sorted(field for field in kept if getattr(self, field) is None):
            raise ValueError(f"{', '.join(cleared)} cannot be null; leave out what is to stay")
        if self.resolution is not None and self.status is None:
            raise ValueError("resolution goes with a status")
        return self


BULK_MAX = 1_000


class BulkUpdate(WriteArguments):
    """Which tickets, by id or by what they are, and what to change in them."""

    ticket_ids: Annotated[list[TicketId] | None, Field(min_length=1, max_length=BULK_MAX)] = None
    where: BulkWhere | None = None
    changes: BulkChanges
    count: Annotated[
        int | None,
        Field(ge=1, le=BULK_MAX, description="How many tickets will change, as the dry run said; needed to do it."),
    ] = None
    plan: Annotated[
        str | None,
        Exact(),
        Field(pattern=r"^[0-9a-f]{64}$", description="As the dry run said: refused if anything changed since."),
    ] = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if (self.ticket_ids is None) == (self.where is None):
            raise ValueError("give ticket_ids or where, and not both")
        if not self.dry_run and self.count is None:
            raise ValueError("count is needed: call it with dry_run first, which says how many tickets will change")
        return self
