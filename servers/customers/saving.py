"""What every write of a customer goes through: the locks, the refusals, and terms that stay in step."""

from collections.abc import Mapping
from typing import Any

from servers.customers import queries
from servers.customers.diffs import CustomerDiff
from servers.customers.search import sort_name, terms
from shared.core.errors import Conflict, NotFound
from shared.core.tool import Call

Row = Mapping[str, Any]

PERSONAL = frozenset({"email", "phone", "street", "postal_code"})


async def locked(call: Call, versions: Mapping[str, int | None]) -> dict[str, Row]:
    """The customers by id, locked until the call ends; None takes any version.

    Raises:
        NotFound: One of them is not there.
        Conflict: One is at another version, or was merged into another customer.
    """
    rows = await call.transaction.rows(queries.LOCKED, ids=sorted(versions))
    found = {row["id"]: row for row in rows}
    for customer_id, version in versions.items():
        if customer_id not in found:
            raise no_customer(customer_id)
        _refuse_stale(found[customer_id], version)
    return found


def _refuse_stale(row: Row, version: int | None) -> None:
    customer_id = row["id"]
    if version is not None and row["version"] != version:
        raise Conflict(
            f"{customer_id} is at version {row['version']}, not {version}: somebody changed it. "
            "Read it again with get_customer, then repeat the change with the new version if it is still wanted.",
            current_version=row["version"],
        )
    if row["merged_into"]:
        raise Conflict(
            f"{customer_id} was merged into {row['merged_into']}; use that one instead. "
            "A merge is taken back with undo_change, within 24 hours.",
            merged_into=row["merged_into"],
        )


async def save(call: Call, before: Row, changed: Mapping[str, Any]) -> Row:
    """The customer after the change; its version is one higher, it is found by what it is now, and who watches it
    is told.
    """
    changed = {"archived_from": _archived_from(before, changed), **changed}
    new = {f"new_{field}": changed.get(field, before[field]) for field in queries.STORED}
    [after] = await call.transaction.rows(queries.UPDATE, by_id=before["id"], **new)
    await call.transaction.rows(queries.FORGET_TERMS, by_id=after["id"])
    await store_terms(call, after)
    call.changed(f"customer://{after['id']}")
    return after


def moved_orders(call: Call, *customer_ids: str) -> None:
    """Tell who watches the orders of these customers."""
    for customer_id in customer_ids:
        call.changed(f"customer://{customer_id}/orders")


def diff(before: Row, after: Row) -> CustomerDiff:
    """What a caller is shown of a change."""
    changed = [field for field in queries.WRITTEN if before[field] != after[field]]
    return CustomerDiff.model_validate({field: {"before": before[field], "after": after[field]} for field in changed})


def _archived_from(before: Row, changed: Mapping[str, Any]) -> str | None:
    """The status that restoring gives back."""
    if changed.get("status", before["status"]) != "archived":
        return None
    return before["archived_from"] if before["status"] == "archived" else before["status"]


async def store_terms(call: Call, customer: Row) -> None:
    await call.transaction.rows(
        queries.STORE_TERMS, by_id=customer["id"], terms=terms(customer), sort_name=sort_name(customer)
    )


def no_customer(customer_id: str) -> NotFound:
    return NotFound(f"There is no customer {customer_id}. Find the right id with search_customers.")
