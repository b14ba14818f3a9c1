"""Demo data: two tenants, the same on every machine and on every day.

`random()` is the only source of chance: Python promises its sequence for a seed, which it does not for
`choice` or `shuffle`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from random import Random
from typing import Any, TypeVar, cast

import asyncpg

from servers.customers.demo_words import AUTHORS, COMPANY_FIRST, COMPANY_SECOND, NOTES, PRODUCTS, REGIONS, TAGS, Region
from servers.customers.search import fold, sort_name, terms

TENANTS = {"acme": "Acme Trading", "globex": "Globex Corporation"}

_SEED = 20260630
_NEWEST = datetime(2026, 6, 30, 12, tzinfo=UTC)
_BATCH = 20_000
_STATUSES = ("active", "active", "active", "prospect", "inactive", "archived")
_BUSINESS = ("small_business", "mid_market", "enterprise")
_ORDER_STATUSES = ("delivered", "delivered", "delivered", "shipped", "paid", "pending", "cancelled", "refunded")

Row = dict[str, Any]
ItemT = TypeVar("ItemT")


async def seed(owner_url: str, customers: int = 10_000, orders: int = 60_000) -> None:
    """Fill the tables, half for each tenant; does nothing when they are filled.

    Args:
        owner_url: `postgresql://…` of the owner of the tables, who is under row-level security like all others.
        customers: How many over all tenants.
        orders: How many over all tenants, with one to four lines each.
    """
    connection = cast("Any", await asyncpg.connect(owner_url))  # pyright: ignore[reportUnknownMemberType]
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE customers.tenants IN EXCLUSIVE MODE")
            for number, tenant in enumerate(TENANTS):
                await connection.execute("SELECT set_config('app.tenant', $1, true)", tenant)
                if not await connection.fetchval("SELECT EXISTS (SELECT FROM customers.tenants)"):
                    share = len(TENANTS)
                    await _fill(connection, tenant, Random(_SEED + number), customers // share, orders // share)  # noqa: S311
                    await _note(connection, Random(_SEED + number), customers // share)  # noqa: S311
        await connection.execute(
            "ANALYZE customers.customers, customers.search_terms, customers.orders, customers.order_lines, "
            "customers.notes"
        )
    finally:
        await connection.close()


async def _fill(connection: Any, tenant: str, rng: Random, customers: int, orders: int) -> None:
    await connection.execute("INSERT INTO customers.tenants VALUES ($1, $2)", tenant, TENANTS[tenant])
    currencies: list[str] = []
    everybody = people(rng, customers)
    while batch := list(islice(everybody, _BATCH)):
        currencies += [_CURRENCY[person["country"]] for person in batch]
        await _load(connection, "customers", batch)
        await _load(connection, "search_terms", [row for person in batch for row in _terms(person)])
    sold = (_order(rng, number, currencies) for number in range(1, orders + 1))
    while pairs := list(islice(sold, _BATCH)):
        await _load(connection, "orders", [order for order, _ in pairs])
        await _load(connection, "order_lines", [line for _, lines in pairs for line in lines])


async def _note(connection: Any, rng: Random, customers: int) -> None:
    """A note for every second customer, on average; the customers who order most have most."""
    written = (_written(rng, number, customers) for number in range(1, customers // 2 + 1))
    while batch := list(islice(written, _BATCH)):
        await _load(connection, "notes", batch)


async def _load(connection: Any, table: str, rows: list[Row]) -> None:
    """COPY by way of a temporary table: PostgreSQL does not COPY into one with row-level security."""
    columns = list(rows[0])
    names = ", ".join(columns)  # ours, like the table's: nothing of a caller reaches this module
    await connection.execute(f"CREATE TEMP TABLE staged AS SELECT {names} FROM customers.{table} LIMIT 0")  # noqa: S608
    await connection.copy_records_to_table("staged", columns=columns, records=[tuple(row.values()) for row in rows])
    await connection.execute(f"INSERT INTO customers.{table} ({names}) SELECT {names} FROM staged")  # noqa: S608
    await connection.execute("DROP TABLE staged")


_CURRENCY = {region.country: region.currency for region in REGIONS}


def people(rng: Random, count: int) -> Iterator[Row]:
    """Customers, numbered from 1."""
    return (_customer(rng, number) for number in range(1, count + 1))


def _customer(rng: Random, number: int) -> Row:
    region = _often_first(rng, REGIONS)
    given, given_latin = _spellings(_often_first(rng, region.given))
    family, family_latin = _spellings(_often_first(rng, region.family))
    company = _company(rng, region)
    created = _NEWEST - timedelta(minutes=int(rng.random() * 5 * 365 * 24 * 60))
    city, postal_code = _any(rng, region.cities)
    return {
        "id": f"C-{number:06}",
        "name": region.order.format(given=given, family=family),
        "company": company,
        "email": _email(f"{given_latin}.{family_latin}", number, company),
        "phone": region.phone + "".join(str(int(rng.random() * 10)) for _ in range(region.digits)),
        "street": f"{_any(rng, region.streets)} {1 + int(rng.random() * 120)}",
        "postal_code": postal_code,
        "city": city,
        "country": region.country,
        "locale": region.locale,
        "status": _any(rng, _STATUSES),
        "segment": _often_first(rng, _BUSINESS) if company else "consumer",
        "tags": sorted({_often_first(rng, TAGS) for _ in range(int(rng.random() * 3))}),
        "created_at": created,
        "updated_at": created,
    }


def _terms(customer: Row) -> list[Row]:
    carried = {field: customer[field] for field in ("status", "segment", "country")}
    name = sort_name(customer)
    return [{"customer_id": customer["id"], "term": term, "name": name, **carried} for term in terms(customer)]


def _company(rng: Random, region: Region) -> str | None:
    if rng.random() < 0.4:  # noqa: PLR2004
        return None
    return f"{_any(rng, COMPANY_FIRST)} {_any(rng, COMPANY_SECOND)} {_any(rng, region.legal)}"


def _email(person: str, number: int, company: str | None) -> str:
    local = "".join(char for char in fold(person) if char.isascii() and (char.isalnum() or char in ".-"))
    domain = "-".join(fold(company).split()[:2]) + ".example" if company else "example.com"
    return f"{local}.{number}@{domain}"


def _order(rng: Random, number: int, currencies: list[str]) -> tuple[Row, list[Row]]:
    customer = int(rng.random() * rng.random() * len(currencies))
    order_id = f"O-{number:06}"
    lines = [_line(rng, order_id, line) for line in range(1, 2 + int(rng.random() * 4))]
    order = {
        "id": order_id,
        "customer_id": f"C-{customer + 1:06}",
        "status": _any(rng, _ORDER_STATUSES),
        "ordered_at": _NEWEST - timedelta(minutes=int(rng.random() * 3 * 365 * 24 * 60)),
        "currency": currencies[customer],
        "total": sum(line["quantity"] * line["unit_price"] for line in lines),
        "line_count": len(lines),
    }
    return order, lines


def _written(rng: Random, number: int, customers: int) -> Row:
    return {
        "id": f"N-{number:06}",
        "customer_id": f"C-{int(rng.random() * rng.random() * customers) + 1:06}",
        "text": _often_first(rng, NOTES),
        "author": _any(rng, AUTHORS),
        "created_at": _NEWEST - timedelta(minutes=int(rng.random() * 365 * 24 * 60)),
    }


def _line(rng: Random, order_id: str, line: int) -> Row:
    sku, description, price = _any(rng, PRODUCTS)
    return {
        "order_id": order_id,
        "line": line,
        "sku": sku,
        "description": description,
        "quantity": 1 + int(rng.random() * 5),
        "unit_price": Decimal(price),
    }


def _any(rng: Random, items: tuple[ItemT, ...]) -> ItemT:
    return items[int(rng.random() * len(items))]


def _often_first(rng: Random, items: tuple[ItemT, ...]) -> ItemT:
    return items[int(rng.random() ** 2 * len(items))]


def _spellings(word: str) -> tuple[str, str]:
    native, _, latin = word.partition("|")
    return native, latin or native
