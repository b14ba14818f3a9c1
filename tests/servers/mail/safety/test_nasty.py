"""Ten nasty mails, written as data: their preview shows what was neutralised, and nothing dangerous is left."""

import tomllib
from pathlib import Path
from typing import Any, cast

import pytest

from servers.mail.safety.composing import Attachment, Outgoing
from servers.mail.safety.findings import refuse
from servers.mail.safety.previewing import preview
from shared.core.errors import Invalid
from tests.servers.mail.safety.mails import RULES, dangers, kinds, mail, received

NASTY = sorted(Path(__file__).with_name("nasty").glob("*.toml"))
FIELDS = ("sender", "to", "subject", "text", "html")


def written(value: Any) -> Any:
    if isinstance(value, dict):
        huge = cast("dict[str, Any]", value)
        return huge["repeat"] * huge["times"]
    return value.replace("~", "") if isinstance(value, str) else value


def outgoing(told: dict[str, Any]) -> Outgoing:
    fields = {name: written(told[name]) for name in FIELDS if name in told}
    if isinstance(told.get("to"), dict):
        fields["to"] = [f"{number}.{told['to']['repeat']}" for number in range(told["to"]["times"])]
    files = [Attachment(each["name"], each["mime"], each["content"].encode()) for each in told.get("attachments", ())]
    return mail(**fields, attachments=tuple(files))


def test_there_are_ten() -> None:
    assert len(NASTY) == 10


@pytest.mark.parametrize("path", NASTY, ids=lambda path: path.stem)
def test_a_preview_shows_what_was_neutralised_and_nothing_dangerous_is_left(path: Path) -> None:
    told = tomllib.loads(path.read_text())
    shown = preview(outgoing(told), RULES)
    built = shown.built
    assert set(told["blocks"]) <= kinds(built, "block")
    assert set(told["warns"]) <= kinds(built, "warning")
    assert set(told.get("notes", ())) <= kinds(built, "info")
    assert {each.kind for each in shown.neutralised} == kinds(built)
    assert sum(each.count for each in shown.neutralised) == sum(found.count for found in built.findings)
    assert shown.blocked == bool(told["blocks"])

    read = received(built.mime)
    assert "bcc" not in read.names
    assert read.html == built.html
    assert dangers(built.html or "") == []
    everything = "\n".join((read.text, read.html or "", str(read.message["From"]), str(read.message["To"])))
    everything += built.mime.decode()
    assert [each for each in told["gone"] if each in everything] == []
    assert len(built.mime) < 100_000

    explained = repr(shown.neutralised)
    assert [each for each in told.get("secret", ()) if each in explained] == []
    if told["blocks"]:
        with pytest.raises(Invalid):
            refuse(built.findings)


@pytest.mark.parametrize("path", NASTY, ids=lambda path: path.stem)
def test_what_is_left_of_a_nasty_mail_is_not_changed_again(path: Path) -> None:
    built = preview(outgoing(tomllib.loads(path.read_text())), RULES).built
    again = preview(mail(subject=built.subject, text=built.text, html=built.html), RULES).built
    assert (again.subject, again.text, again.html) == (built.subject, built.text, built.html)


def test_what_was_taken_out_is_shown_before_and_after() -> None:
    shown = preview(mail(subject="Lunch \u202edesrever"), RULES)
    (found,) = shown.neutralised
    assert (found.kind, found.count, found.where) == ("bidi", 1, ("subject",))
    assert found.examples == (("Lunch ‹U+202E›desrever", "Lunch desrever"),)
