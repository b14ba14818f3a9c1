from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers.customers.diffs import CustomerDiff, EmailChange
from servers.customers.models import Updated
from shared.core.errors import Conflict, Forbidden, Invalid, NotFound
from shared.steps.redaction import redact
from tests.servers.customers.desk import Desk, caller

pytestmark = pytest.mark.anyio

NEW: dict[str, Any] = {"name": "Ines Writer", "country": "ES", "segment": "mid_market"}


async def test_a_created_customer_can_be_read_and_found(desk: Desk) -> None:
    more = {"email": "ines@example.com", "phone": "+999340111222", "tags": ["vip", "trial", "vip"]}
    full: dict[str, Any] = {**NEW, **more}
    made = (await desk.ask("create_customer", **full)).customer
    assert made.tags == ["trial", "vip"]
    assert await desk.ask("get_customer", customer_id=made.id) == made
    assert made.id in await desk.walk(query="ines writer")


async def test_ids_are_random_and_tell_nothing_about_how_many_there_are(desk: Desk) -> None:
    ids = [(await desk.ask("create_customer", **NEW)).customer.id for _ in range(20)]
    assert len({made[:5] for made in ids}) > 15


async def test_two_customers_may_share_an_address_as_a_refusal_would_tell_whose_it_is(desk: Desk) -> None:
    one, two = [(await desk.ask("create_customer", **NEW, email="both@example.com")).customer for _ in range(2)]
    assert one.id != two.id


async def test_a_dry_run_shows_the_customer_and_keeps_nothing(desk: Desk) -> None:
    made = (await desk.ask("create_customer", **NEW, dry_run=True)).customer
    with pytest.raises(NotFound):
        await desk.ask("get_customer", customer_id=made.id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "nobody"},
        {"email": "a@b@c.de"},
        {"phone": "030 1234567"},
        {"phone": "+49"},
        {"country": "Germany"},
        {"country": "de"},
        {"locale": "german"},
        {"name": ""},
        {"name": "x" * 121},
        {"name": "line\nbreak"},
        {"company": "\u202eevil"},
        {"city": "bell\x07"},
        {"tags": ["Not A Tag"]},
        {"tags": [f"t{number}" for number in range(21)]},
        {"segment": "huge"},
        {"status": "gone"},
        {"tenant_id": "globex"},
        {"id": "C-000001"},
    ],
)
async def test_ill_formed_customers_are_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await desk.ask("create_customer", **{**NEW, **wrong})


async def test_an_update_returns_the_customer_and_what_changed(desk: Desk) -> None:
    made = (await desk.ask("create_customer", **NEW, city="Madrid")).customer
    answer = await desk.shown(
        "update_customer",
        customer_id=made.id,
        version=1,
        changes={"status": "active", "city": None, "name": "Ines Writer", "email": "i@example.com"},
    )
    assert answer["diff"] == {
        "status": {"before": "prospect", "after": "active"},
        "city": {"before": "Madrid", "after": None},
        "email": {"before": None, "after": "i@example.com"},
    }
    assert (answer["customer"]["version"], answer["customer"]["city"]) == (2, None)


async def test_a_stale_version_is_a_conflict_that_names_the_current_one(desk: Desk) -> None:
    made = (await desk.ask("create_customer", **NEW)).customer
    await desk.ask("update_customer", customer_id=made.id, version=1, changes={"city": "Vigo"})
    with pytest.raises(Conflict) as failure:
        await desk.ask("update_customer", customer_id=made.id, version=1, changes={"city": "Soria"})
    assert failure.value.details == {"current_version": 2}
    assert (await desk.ask("get_customer", customer_id=made.id)).city == "Vigo"


async def test_a_change_to_what_already_is_writes_nothing(desk: Desk) -> None:
    made = (await desk.ask("create_customer", **NEW)).customer
    answer = await desk.ask("update_customer", customer_id=made.id, version=1, changes={"name": NEW["name"]})
    assert answer.customer == made


async def test_without_pii_the_answer_of_a_write_is_masked_too(desk: Desk) -> None:
    scopes = "customers:write"
    answer = await desk.shown("create_customer", scopes=scopes, **NEW, email="hidden@example.com")
    assert "hidden@example.com" not in str(answer)
    made = answer["customer"]["id"]
    answer = await desk.shown("update_customer", scopes=scopes, customer_id=made, version=1, changes={"city": "Vigo"})
    assert "hidden@example.com" not in str(answer)


async def test_the_diff_of_an_address_is_masked_for_whoever_replays_it_without_pii(desk: Desk) -> None:
    made = (await desk.ask("create_customer", **NEW)).customer
    diff = CustomerDiff(email=EmailChange(before="old@example.com", after="new@example.com"))
    seen = redact(Updated(customer=made, diff=diff), caller(scopes="customers:write")).value
    assert "old@" not in str(seen)
    assert "new@" not in str(seen)


@pytest.mark.parametrize("field", ["email", "phone", "street", "postal_code"])
async def test_without_pii_a_guess_cannot_be_tried_by_changing_to_it(desk: Desk, field: str) -> None:
    values = {"email": "a@example.com", "phone": "+999340111222", "street": "A 1", "postal_code": "1"}
    made = (await desk.ask("create_customer", **NEW)).customer
    with pytest.raises(Forbidden) as failure:
        await desk.ask(
            "update_customer",
            scopes="customers:write",
            customer_id=made.id,
            version=1,
            changes={field: values[field]},
        )
    assert failure.value.scopes == ("customers:write", "customers:pii")


@pytest.mark.parametrize("changes", [{}, {"name": None}, {"tags": None}, {"version": 7}, {"id": "C-000009"}])
async def test_ill_formed_changes_are_refused(desk: Desk, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await desk.ask("update_customer", customer_id="C-000001", version=1, changes=changes)


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "name": WORDS,
        "company": st.none() | WORDS,
        "city": st.none() | WORDS,
        "country": st.sampled_from(["DE", "FR"]),
        "status": st.sampled_from(["active", "inactive"]),
        "tags": st.lists(st.sampled_from(["a", "b", "c"]), max_size=4),
        "email": st.none() | st.sampled_from(["a@example.com", "b@example.com"]),
    },
).filter(bool)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(CHANGES, min_size=1, max_size=4))
async def test_diffs_applied_to_the_first_state_give_the_last(desk: Desk, steps: list[dict[str, Any]]) -> None:
    made = await desk.shown("create_customer", **NEW)
    told = made["customer"]
    for changes in steps:
        answer = await desk.shown("update_customer", customer_id=told["id"], version=told["version"], changes=changes)
        assert all(change["before"] == told[field] for field, change in answer["diff"].items())
        assert all(change["before"] != change["after"] for change in answer["diff"].values())
        told = told | {field: change["after"] for field, change in answer["diff"].items()}
        told |= {field: answer["customer"][field] for field in ("version", "updated_at")}
        assert told == answer["customer"] == await desk.shown("get_customer", customer_id=told["id"])
