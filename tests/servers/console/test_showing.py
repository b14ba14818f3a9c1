"""Other people's data, laid out for a person."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.console.showing.answers import laid_out
from servers.console.showing.differing import difference, pieces
from servers.console.showing.mails import mail, mail_in
from servers.console.showing.revealing import revealed, shortened
from servers.console.showing.times import relative

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
UNSEEN = BIDI + "\u200b\u200c\u2060\ufeff\u00ad\u3164\u115f\u2800\U000e0041\x00\x1b\x7f\x85\u2028"


@pytest.mark.parametrize("character", UNSEEN, ids=lambda one: f"U+{ord(one):04X}")
def test_what_nobody_sees_is_shown_by_its_number(character: str) -> None:
    shown = revealed(f"a{character}b")
    assert character not in shown
    assert f"U+{ord(character):04X}</span>b" in shown


@pytest.mark.parametrize("text", ["❤️", "👩‍💻", "👨‍👩‍👧", "Grüße, 世界"])
def test_emoji_and_letters_of_any_script_are_left_alone(text: str) -> None:
    assert revealed(text) == text


@given(st.text())
def test_whatever_the_text_nothing_in_it_is_markup_or_turns_the_line(text: str) -> None:
    shown = str(revealed(text))
    assert not set(shown) & set(BIDI)
    assert "<" not in shown.replace('<span class="unseen" title="', "").replace("</span>", "")


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_difference_holds_both_texts_whole(old: str, new: str) -> None:
    found = pieces(old, new)
    assert "".join(one.text for one in found if one.kind != "added") == old
    assert "".join(one.text for one in found if one.kind != "removed") == new


def test_a_difference_is_told_word_by_word_and_to_readers_of_screens() -> None:
    assert difference("pay in 14 days", "pay in 30 days") == (
        'pay in <del><span class="visually-hidden">[removed: </span>14 <span class="visually-hidden">]</span></del>'
        '<ins><span class="visually-hidden">[added: </span>30 <span class="visually-hidden">]</span></ins>days'
    )


def test_texts_that_are_alike_throughout_are_not_compared_word_by_word() -> None:
    old, new = "a b\n" * 5_000, "a c\n" * 5_000
    assert [one.text for one in pieces(old, new)] == ["a ", old[2:], new[2:]]
    assert "".join(one.text for one in pieces("x y " * 900, "x z " * 900) if one.kind != "added") == "x y " * 900


def test_rows_of_records_are_a_table_and_changed_fields_a_difference() -> None:
    table = laid_out([{"id": "T-1", "tags": ["a", "b"]}, {"id": "T-2", "tags": []}])
    assert (table.kind, table.columns, table.rows) == ("table", ("Number", "Tags"), (("T-1", "a, b"), ("T-2", "")))
    changes = laid_out([{"field": "status", "before": "open", "after": "closed"}])
    assert changes.kind == "changes"
    assert laid_out({"status": {"before": "a", "after": "b"}}).kind == "changes"


def test_very_many_rows_are_cut_and_said_to_be() -> None:
    assert laid_out([{"id": str(n)} for n in range(1000)]).left_out == 950
    assert laid_out(list(range(1000))).left_out == 900


def test_deep_and_strange_answers_are_shown_as_they_are() -> None:
    deep: object = "end"
    for _ in range(50):
        deep = {"a": [deep]}
    assert laid_out(deep).kind == "facts"
    assert laid_out({}).kind == laid_out([]).kind == "nothing"
    assert laid_out(None).words == "–"


def test_a_mail_is_found_wherever_the_answer_has_it() -> None:
    part = {"to": ["a@b.example"], "subject": "x", "text": "y"}
    assert mail_in(part) == mail_in({"first": part, "count": 3}) == part
    assert mail_in({"to": "archived", "ids": []}) is None


def test_names_that_people_give_themselves_cannot_add_recipients_unseen() -> None:
    shown = mail(
        {"to": [{"name": "Ada <a@b.example>\n\u200bBcc: ", "address": "c@d.example"}], "subject": "", "text": ""}
    )
    [(_, (recipient,))] = shown.recipients
    assert "&lt;a@b.example&gt;" in recipient
    assert "U+200B" in recipient


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (timedelta(seconds=20), "now"),
        (timedelta(minutes=42, seconds=5), "in 42 min"),
        (timedelta(hours=-3), "3 h ago"),
        (timedelta(days=-1), "1 day ago"),
        (timedelta(days=2, seconds=1), "in 2 days"),
    ],
)
def test_times_are_said_as_people_say_them(away: timedelta, said: str) -> None:
    now = datetime.now(UTC)
    assert relative((now + away).isoformat(), now) == said


def test_a_line_is_cut_at_a_word() -> None:
    assert shortened("one two three", 9) == "one two …"
    assert shortened("short", 9) == "short"
