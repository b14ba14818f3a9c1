"""Taking back what was written: for 24 hours, and only while nobody built on it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from servers.customers import change_queries, queries
from servers.customers.changes import Kind
from servers.customers.fields import PII
from servers.customers.models import Customer
from servers.customers.saving import Row, moved_orders, save
from servers.customers.tools import tools
from shared.core.errors import Conflict, Forbidden, NotFound
from shared.core.tool import Answer, Call, Risk, WriteArguments
from shared.steps.redaction import Exact


class UndoChange(WriteArguments):
    """Which change to take back."""

    change_id: Annotated[str, Exact(), Field(pattern=r"^CH-[0-9A-Z]{10}$", description="As the write returned it.")]


class Undone(Answer):
    """What was taken back, and how the customers are now."""

    change_id: Annotated[str, Exact()]
    kind: Kind
    changed_at: datetime
    customers: Annotated[list[Customer], Field(description="The customer, or after a merge both.")]


@tools.write("customers:write", risk=Risk.MEDIUM)
async def undo_change(call: Call, query: UndoChange) -> Undone:
    """Take back one update_customer, add_customer_note or merge_customers by its change_id, within 24 hours.
    All of it is taken back or nothing: if a field it touched was changed since, you get a conflict that names it;
    decide then with update_customer. Changes to e-mail, phone or address need customers:pii. For archived
    customers use restore_customer.
    """
    change = await _locked_change(call, query)
    ids = sorted(change["after"])
    rows = {row["id"]: row for row in await call.transaction.rows(queries.LOCKED, ids=ids)}
    _refuse_changed(change, rows)
    await _take_back_rows(call, change)
    saved = [await _restore(call, change, rows[customer_id]) for customer_id in ids]
    await call.transaction.rows(change_queries.MARK_UNDONE, by_id=query.change_id)
    return Undone(
        change_id=query.change_id,
        kind=change["kind"],
        changed_at=change["created_at"],
        customers=[Customer(**row) for row in saved],
    )


async def _locked_change(call: Call, query: UndoChange) -> Row:
    change = await call.transaction.row(change_queries.LOCKED_CHANGE, id=query.change_id)
    if change is None:
        raise NotFound(f"There is no change {query.change_id} that can be undone; changes are kept for 24 hours.")
    if change["personal"] and not call.caller.may(PII):
        # Before anything is compared: the conflict would tell whether a personal field has changed.
        message = "This change touched personal data, so it is undone only with customers:pii."
        raise Forbidden(message, ["customers:write", PII])
    if change["undone_at"]:
        raise Conflict(f"{query.change_id} was undone already.", undone_at=change["undone_at"].isoformat())
    return change


def _refuse_changed(change: Row, rows: Mapping[str, Row]) -> None:
    several = len(rows) > 1
    fields = [
        f"{customer_id}.{_shown(field)}" if several else _shown(field)
        for customer_id, after in change["after"].items()
        for field, value in ({"merged_into": None} | after).items()
        if rows[customer_id][field] != value
    ]
    if fields:
        raise _changed_since(fields)


def _shown(field: str) -> str:
    return "status" if field == "archived_from" else field


def _changed_since(fields: list[str]) -> Conflict:
    fields = list(dict.fromkeys(fields))
    return Conflict(
        f"It can no longer be undone: {', '.join(fields)} changed since. Undo the later change first, or read the "
        "customer again and set what is wanted with update_customer.",
        changed_since=fields,
    )


async def _take_back_rows(call: Call, change: Row) -> None:
    """Remove the note, or give back orders and notes; each must still be where the change put it."""
    after: dict[str, dict[str, Any]] = change["after"]
    if change["note_id"]:
        (customer_id,) = after
        gone = await call.transaction.rows(change_queries.REMOVE_NOTE, id=change["note_id"], by_customer_id=customer_id)
        if not gone:
            raise _changed_since(["note"])
    if change["moved"]:
        (duplicate,) = (customer_id for customer_id, fields in after.items() if "merged_into" in fields)
        where = {"from_customer": after[duplicate]["merged_into"], "to_customer": duplicate}
        for name, ids in change["moved"].items():
            back = await call.transaction.rows(change_queries.MOVE_THESE[name], **where, ids=ids)
            if len(back) != len(ids):
                raise _changed_since([name])
        if change["moved"].get("orders"):
            moved_orders(call, *where.values())


async def _restore(call: Call, change: Row, row: Row) -> Row:
    """The customer as it was. What restoring gives back stays, unless the change touched it."""
    if change["kind"] == "note":
        return row
    return await save(call, row, {"archived_from": row["archived_from"], **change["before"][row["id"]]})
