import pytest

from servers.customers.search import fold, terms, wanted

NOBODY = {
    "id": "C-00000A",
    "name": "",
    "company": None,
    "city": None,
    "email": None,
    "phone": None,
    "tags": list[str](),
}


@pytest.mark.parametrize(
    ("text", "folded"),
    [("MÜLLER", "muller"), ("Straße", "strasse"), ("Łódź", "lodz"), ("Þór", "thor"), ("O'Neil", "oneil"), ("℡", "tel")],
)
def test_folding_takes_away_case_and_accents(text: str, folded: str) -> None:
    assert fold(text) == folded == fold(folded)


def test_a_name_is_found_from_each_of_its_words_on() -> None:
    found = terms(NOBODY | {"name": "Anna Maria Groß"})
    assert found == ["anna maria gross", "c-00000a", "gross anna maria", "maria gross anna"]


def test_no_plain_word_can_ask_for_a_marked_term() -> None:
    for query in ("#vip", "+12", "＠home", "@", "x +4420", "﹟vip", "＋442079460999"):
        asked = wanted(query, None)
        assert asked.sensitive or all(found.low[0].isalnum() for found in asked.ranges)


def test_the_longest_customer_fits_its_index() -> None:
    longest = NOBODY | {"name": "ﷺ" * 120, "company": "한" * 120, "email": "é" * 64 + "@" + "é" * 100 + ".example"}
    assert max(len(term.encode()) for term in terms(longest)) <= 400
