"""Two records of one customer become one."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from servers.customers import change_queries
from servers.customers.changes import remember
from servers.customers.diffs import CustomerDiff
from servers.customers.fields import PII, CustomerId, Status
from servers.customers.models import Customer
from servers.customers.saving import Row, diff, locked, moved_orders, save
from servers.customers.tools import tools
from shared.core.errors import Conflict
from shared.core.fields import ChangeId, Version
from shared.core.tool import Answer, Call, Risk, WriteArguments

MOVED_MAX = 10_000
"""Orders, and notes, of one duplicate: what one transaction moves well within its deadline."""

_TAGS_MAX = 20
_FILLED = ("company", "email", "phone")
_ADDRESS = ("street", "postal_code", "city")


class Merge(WriteArguments):
    """Which customer stays, and which goes into it."""

    keep_id: CustomerId
    keep_version: Version
    duplicate_id: CustomerId
    duplicate_version: Version

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.keep_id == self.duplicate_id:
            raise ValueError("keep_id and duplicate_id name the same customer; a merge needs two")
        return self


class Merged(Answer):
    """Both customers after the merge."""

    customer: Annotated[Customer, Field(description="The one that was kept.")]
    duplicate: Annotated[Customer, Field(description="Archived; merged_into names the one that was kept.")]
    diff: Annotated[CustomerDiff, Field(description="What changed in the one that was kept.")]
    moved_orders: int
    moved_notes: int
    dropped_tags: Annotated[list[str], Field(description="Tags of the duplicate beyond the 20 there may be.")]
    change_id: ChangeId = None


# Whoever merges decides from contact data that two records are one person, and moves it from one to the other:
# without customers:pii that would be guessing, and filling in what one may not change.
@tools.write("customers:write", PII, risk=Risk.HIGH, inverse="undo_change", acr="aal2", max_age_s=3600)
async def merge_customers(call: Call, query: Merge) -> Merged:
    """Merge a duplicate into the customer to keep: orders and notes move, empty contact fields are filled,
    tags are united, and the duplicate is archived with merged_into. Nothing the kept one has is overwritten,
    and its address is filled in only from one that does not contradict it.
    Only when you are sure that both are the same customer: read both first and pass their versions.
    """
    versions = {query.keep_id: query.keep_version, query.duplicate_id: query.duplicate_version}
    rows = await locked(call, versions)
    keep, duplicate = rows[query.keep_id], rows[query.duplicate_id]
    if keep["status"] == Status.ARCHIVED:
        raise Conflict(f"{query.keep_id} is archived; restore it first, or keep the other one.")
    await _refuse_too_many(call, query.duplicate_id)
    tags = [*keep["tags"], *(tag for tag in duplicate["tags"] if tag not in keep["tags"])]
    kept = await save(call, keep, {**_filled(keep, duplicate), "tags": sorted(tags[:_TAGS_MAX])})
    gone = await save(call, duplicate, {"status": Status.ARCHIVED, "merged_into": query.keep_id})
    moved = {name: await _move(call, name, query) for name in change_queries.MOVABLE}
    if moved["orders"]:
        moved_orders(call, query.keep_id, query.duplicate_id)
    return Merged(
        customer=Customer(**kept),
        duplicate=Customer(**gone),
        diff=diff(keep, kept),
        moved_orders=len(moved["orders"]),
        moved_notes=len(moved["notes"]),
        dropped_tags=tags[_TAGS_MAX:],
        change_id=await remember(call, query, "merge", [(keep, kept), (duplicate, gone)], moved),
    )


async def _refuse_too_many(call: Call, customer_id: str) -> None:
    for name, count in change_queries.COUNT.items():
        [row] = await call.transaction.rows(count, customer_id=customer_id, limit=MOVED_MAX + 1)
        if row["found"] > MOVED_MAX:
            raise Conflict(
                f"{customer_id} has more than {MOVED_MAX} {name}, which is more than one call moves. "
                "Keep this one and merge the other into it.",
            )


async def _move(call: Call, name: str, query: Merge) -> list[str]:
    rows = await call.transaction.rows(
        change_queries.MOVE_ALL[name], from_customer=query.duplicate_id, to_customer=query.keep_id
    )
    return sorted(row["id"] for row in rows)


def _filled(keep: Row, duplicate: Row) -> Mapping[str, Any]:
    """Values for the empty fields of `keep`. An address is one thing: two halves of different ones are none."""
    agree = keep["country"] == duplicate["country"] and all(
        None in (keep[part], duplicate[part]) or keep[part] == duplicate[part] for part in _ADDRESS
    )
    fields = (*_FILLED, *_ADDRESS) if agree else _FILLED
    return {field: duplicate[field] for field in fields if keep[field] is None and duplicate[field] is not None}
