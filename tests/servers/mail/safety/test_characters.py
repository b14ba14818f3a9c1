"""Characters that nobody sees carry nothing."""

import pytest

from servers.mail.safety.characters import legible, one_line, searchable

UNSEEN = [
    *("\u200b", "\u2060", "\ufeff", "\u00ad", "\x00", "\x07", "\x7f", "\u202e", "\u2066", "\u200e", "\u061c", "\ud800"),
    *("\U000e0041", "\U000e0101", "\u3164", "\uffa0", "\u115f", "\u034f", "\ufff9", "\ue000", "\uffff"),
]


@pytest.mark.parametrize("char", UNSEEN)
def test_a_character_nobody_sees_is_taken_out_and_counted(char: str) -> None:
    text, (found,) = legible(f"a{char}b{char}c", "text")
    assert text == "abc"
    assert (found.count, found.after) == (2, "abc")
    assert found.before.isprintable()
    assert f"U+{ord(char):04X}" in found.before or char.isprintable()


def test_one_joiner_is_part_of_a_word_and_a_run_of_them_is_a_message() -> None:
    assert legible("👩‍👩‍👧 می‌خواهم", "text") == ("👩‍👩‍👧 می‌خواهم", [])
    text, (found,) = legible("a\u200d\u200c\u200d\u200db", "text")
    assert (text, found.kind, found.count) == ("a\u200db", "control", 1)


def test_line_ends_of_every_system_become_one() -> None:
    assert legible("a\r\nb\rc\x85d\u2028e\u2029f\x0bg", "text") == ("a\nb\nc\nd\ne\nf\ng", [])


def test_a_line_is_a_line() -> None:
    text, (found,) = one_line("  a\r\n\tb  ", "subject")
    assert (text, found.kind, found.severity) == ("a b", "header_injection", "block")


def test_keys_and_numbers_are_looked_for_in_plain_characters() -> None:
    assert searchable("\uff14\uff11\u200d\ufe0f1 A\u2060K") == "411 AK"
