from typing import Any

import pytest

from shared.core.errors import Invalid, InvalidCursor
from tests.servers.customers.desk import Desk

pytestmark = pytest.mark.anyio

READ = "customers:read"


@pytest.fixture(scope="module")
async def people(desk: Desk) -> dict[str, str]:
    """A few customers nobody else resembles: id by name."""
    made: dict[str, dict[str, Any]] = {
        "Jörg Müßig": {"company": "Çelik Yapı AŞ", "city": "Łódź", "tags": ["late-payer"], "country": "PL"},
        "Jorgelina Xu": {"email": "xu@shop.example", "phone": "+442079460999", "status": "archived"},
        "Anna Maria Zyx": {"company": "Zyx and Sons"},
        "Zyx": {"company": "Zyxwv Ltd"},
        "Seán O'Zyxer": {"tags": ["late"]},
    }
    ids: dict[str, str] = {}
    for name, fields in made.items():
        facts: dict[str, Any] = {"country": "DE", "segment": "consumer", **fields}
        ids[name] = (await desk.ask("create_customer", name=name, **facts)).customer.id
    return ids


async def names(desk: Desk, query: str, **more: Any) -> list[str]:
    answer = await desk.ask("search_customers", query=query, **more)
    return [found.name for found in answer.customers]


@pytest.mark.parametrize(
    "query", ["müßig", "MUSSIG", "Jörg M", "mussig jorg", "celik", "yapı", "Lodz mussig", "jorg late-payer"]
)
async def test_it_finds_by_any_word_whatever_the_accents_case_and_order(
    desk: Desk, people: dict[str, str], query: str
) -> None:
    assert "Jörg Müßig" in await names(desk, query)


async def test_whole_words_come_before_longer_ones_and_names_are_in_order(desk: Desk, people: dict[str, str]) -> None:
    assert await names(desk, "zyx") == ["Zyx", "Anna Maria Zyx"]
    assert await names(desk, "ozyxer") == ["Seán O'Zyxer"]


async def test_words_need_not_stand_together(desk: Desk, people: dict[str, str]) -> None:
    assert await names(desk, "anna zyx") == ["Anna Maria Zyx"]
    assert await names(desk, "anna sons") == ["Anna Maria Zyx"]
    assert await names(desk, "anna mussig") == []


async def test_a_customer_found_by_several_terms_is_listed_once(desk: Desk, people: dict[str, str]) -> None:
    found = await desk.walk(query="zy", limit=1)
    assert sorted(found) == sorted({people["Zyx"], people["Anna Maria Zyx"]})


async def test_an_id_is_found(desk: Desk, people: dict[str, str]) -> None:
    assert await names(desk, people["Zyx"].lower()) == ["Zyx"]


async def test_filters_narrow(desk: Desk, people: dict[str, str]) -> None:
    assert await names(desk, "mussig", country="PL") == ["Jörg Müßig"]
    assert await names(desk, "mussig", country="DE") == []
    assert await names(desk, "xu", status="archived") == ["Jorgelina Xu"]
    assert await names(desk, "xu", status="active") == []
    assert await names(desk, "mussig", tag="late-payer") == ["Jörg Müßig"]
    assert await names(desk, "mussig", tag="late") == []
    assert await names(desk, "zyx", segment="enterprise") == []


@pytest.mark.parametrize("query", ["xu@shop.example", "XU@", "+44 20 7946 0999", "0044 20 7946-0999"])
async def test_by_email_and_phone_only_with_pii(desk: Desk, people: dict[str, str], query: str) -> None:
    assert await names(desk, query) == ["Jorgelina Xu"]
    refused = await desk.ask("search_customers", query=query, scopes=READ)
    assert (refused.customers, refused.total_count) == ([], 0)
    assert "customers:pii" in refused.note


async def test_without_pii_a_right_guess_and_a_wrong_one_answer_the_same(desk: Desk, people: dict[str, str]) -> None:
    """Else the search would be an oracle for the addresses it hides."""
    for pair in (("xu@shop.example", "xu@shop.invalid"), ("jorgelina xu@shop.e", "jorgelina xu@nowhere.e")):
        right, wrong = [await desk.ask("search_customers", query=query, scopes=READ) for query in pair]
        assert right == wrong
    assert await names(desk, "shop example", scopes=READ) == []
    assert "Jorgelina Xu" not in await names(desk, "442079", scopes=READ)


async def test_the_total_is_exact_and_the_same_on_every_page(desk: Desk, people: dict[str, str]) -> None:
    everything = await desk.walk(query="ma", limit=7)
    first = await desk.ask("search_customers", query="ma", limit=7)
    second = await desk.ask("search_customers", query="ma", limit=7, cursor=first.next_cursor)
    assert first.total_count == second.total_count == len(everything) > 14
    assert first.total_is_exact


async def test_an_update_moves_what_a_customer_is_found_by(desk: Desk) -> None:
    made = await desk.ask("create_customer", name="Before Qqq", country="DE", segment="consumer")
    change = {"name": "After Qqq", "tags": ["vip"]}
    await desk.ask("update_customer", customer_id=made.customer.id, version=1, changes=change)
    assert await names(desk, "before qqq") == []
    assert await names(desk, "after qqq", tag="vip") == ["After Qqq"]


@pytest.mark.parametrize("query", ["a", "x" * 201, "??", "a b c d e f g h i", "tab\there", "\u202eevil"])
async def test_ill_formed_queries_are_refused(desk: Desk, query: str) -> None:
    with pytest.raises(Invalid):
        await desk.ask("search_customers", query=query)


@pytest.mark.parametrize("query", ["%%", "_%", "' OR 1=1 --", "müller\U0010ffff", "田中", "\\\\ a"])
async def test_no_query_breaks_it(desk: Desk, query: str) -> None:
    try:
        await desk.ask("search_customers", query=query)
    except Invalid:
        return


async def test_a_cursor_belongs_to_its_query(desk: Desk) -> None:
    first = await desk.ask("search_customers", query="ma", limit=1)
    with pytest.raises(InvalidCursor):
        await desk.ask("search_customers", query="mo", limit=1, cursor=first.next_cursor)
