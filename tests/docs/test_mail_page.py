"""The page on mail: its conversations are played, and its tables hold."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from servers.mail import models
from servers.mail.arguments import Written
from servers.mail.following import MEANINGS
from shared.edge import pressure
from tests.docs.fences import claimed
from tests.docs.talks import SAID, asked, differs, rows
from tests.harness import Suite
from tests.servers.mail.mailroom import Mailroom

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "mail.md").read_text("utf-8")
TALKS = claimed("docs/mail.md", 9)
ADMINISTERED = {"save_template", "suppress_recipient", "unsuppress_recipient"}


@pytest.fixture(autouse=True)
def at_ease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests sheds no bulk here."""
    monkeypatch.setattr(pressure, "_LAG_PRESSED_S", 60.0)


async def test_every_conversation_goes_as_the_page_shows(suite: Suite) -> None:
    """Only administrators make templates, and put people on the suppression list."""
    known: dict[str, str] = {}
    for talk in TALKS:
        pairs = SAID.findall(talk)
        assert "".join(f"→ {what} {told}\n← {shown}\n" for what, told, shown in pairs) == talk
        for what, told, shown in pairs:
            room = Mailroom(suite, "admin" if what in ADMINISTERED else "manager")
            answer = await room.call(what, **asked(told, known))
            wrong = differs(json.loads(shown), answer, known)
            assert wrong is None, f"{what}: {wrong}"


def test_there_are_as_many_conversations_as_are_played() -> None:
    assert len(TALKS) == 9
    assert PAGE.count("\n→ ") == sum(len(SAID.findall(talk)) for talk in TALKS) > 20


async def test_every_persona_sees_and_does_what_the_page_says(suite: Suite) -> None:
    table = [*rows(PAGE, "## Who sees what")]
    assert len(table) == 5
    made = await Mailroom(suite).draft(to=["seen@customer.example"])
    mail: dict[str, Any] = {"sender": "news", "subject": "A", "text": "B", "to": ["a@b.example"]}
    bulk = {"sender": "news", "template": "welcome", "customer_ids": ["C-ZZZZZZ"], "count": 1}
    for persona, *told in table:
        room = Mailroom(suite, persona.strip("`"))
        seen = ["yes" if "seen@customer.example" in str(await room.read(f"mail://{made['id']}")) else "masked"]
        for tool, arguments in (("draft_email", mail), ("send_email", mail), ("send_bulk_email", bulk)):
            params = {"name": tool, "arguments": {**arguments, "dry_run": True}}
            answer = await suite.post(suite.token(room.persona, "mail"), "tools/call", params, server="mail")
            seen.append("yes" if answer.status_code == 200 else "no")
        assert seen == told, persona


def test_the_states_are_those_of_delivery() -> None:
    assert [row[0].strip("`") for row in rows(PAGE, "## Send")] == [*MEANINGS]


def test_the_limits_are_those_of_the_code() -> None:
    told = [[int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", row[1])] for row in rows(PAGE, "## Limits")]
    schema = Written.model_json_schema()["properties"]
    lengths = [schema[name]["anyOf"][0]["maxLength"] for name in ("subject", "text", "html")]
    assert told == [
        [models.RECIPIENTS_MAX, models.BULK_MAX],
        [models.ATTACHMENTS_MAX, models.ATTACHMENTS_BYTES_MAX // 2**20],
        lengths,
    ]
