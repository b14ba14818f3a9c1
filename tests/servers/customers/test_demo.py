import re
from hashlib import sha256
from random import Random
from typing import Any

import pytest

from servers.customers import demo
from servers.customers.models import CreateCustomer
from servers.customers.notes import AddNote
from servers.customers.queries import WRITTEN
from shared.state.roles import Urls
from tests.servers.customers.desk import Desk

pytestmark = pytest.mark.anyio


def customers(seed: int, count: int) -> list[dict[str, Any]]:
    return list(demo.people(Random(seed), count))


def test_it_is_the_same_on_every_machine_and_day() -> None:
    found = sha256(repr(customers(1, 500)).encode()).hexdigest()
    assert found == "c957f085aca2e36abc6551b2c8ae8341ffc580ad4f9c369ca1262a8214e3e410"


def test_every_customer_of_it_could_have_been_created_by_the_tool() -> None:
    for customer in customers(2, 500):
        CreateCustomer.model_validate({field: customer[field] for field in WRITTEN})


def test_its_addresses_and_numbers_belong_to_nobody() -> None:
    reserved = re.compile(r"\+(1212555010\d|442079460\d{3}|493023125\d{3}|3319900\d{4}|999\d{9})")
    for customer in customers(3, 500):
        assert re.fullmatch(r"[a-z.0-9-]+@([a-z-]+\.example|example\.com)", customer["email"])
        assert reserved.fullmatch(customer["phone"])


def test_it_speaks_several_languages() -> None:
    assert len({customer["locale"] for customer in customers(4, 500)}) == 7


async def test_seeding_twice_changes_nothing(desk: Desk, urls: Urls) -> None:
    before = await desk.walk(query="ma", limit=100)
    await demo.seed(urls.owner, customers=5_000, orders=0)
    assert await desk.walk(query="ma", limit=100) == before


async def test_its_notes_are_the_same_everywhere_and_could_have_been_written_by_the_tool(desk: Desk) -> None:
    async with desk.database.transaction("acme") as transaction:
        rows = await transaction.connection.fetch(
            "SELECT id, customer_id, text, author, created_at FROM customers.notes ORDER BY id"
        )
    assert len(rows) == 50
    found = sha256(repr([tuple(row) for row in rows]).encode()).hexdigest()
    assert found == "6670fddec61c6ea7a29766151722d532406c7b51b1aec9e53d9095399a27ade6"
    for row in rows:
        AddNote.model_validate({"customer_id": row["customer_id"], "text": row["text"]})
