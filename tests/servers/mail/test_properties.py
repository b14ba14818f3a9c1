"""Whatever is done with drafts, in whatever order, they are what a model of a few lines says they are."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness import Suite
from tests.servers.mail.mailroom import Mailroom

pytestmark = pytest.mark.anyio

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=20
)
WORDS = st.sampled_from(["Hello", "Good day", "Ünïcödé ✓", "a" * 250])
PEOPLE = st.lists(st.sampled_from(["a@b.example", "c@d.example", "C-000001"]), max_size=3)
VARIABLES = st.dictionaries(st.sampled_from(["name", "contact"]), st.sampled_from(["Ada", 5, True]), max_size=2)
FIELDS: dict[str, Any] = {
    "sender": st.sampled_from(["support", "news"]),
    "to": PEOPLE,
    "cc": PEOPLE,
    "subject": WORDS | st.none(),
    "text": TEXTS.filter(lambda text: text == text.strip()) | st.none(),
    "template": st.sampled_from(["welcome", "renewal"]) | st.none(),
    "variables": VARIABLES | st.dictionaries(st.just("name"), st.none(), max_size=1),
}
CHANGES = st.fixed_dictionaries({}, optional=FIELDS).filter(bool)
ACTS = st.lists(st.tuples(st.sampled_from(["update", "stale", "dry", "send"]), CHANGES), min_size=1, max_size=5)


def merged(draft: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The model: RFC 7396, but lists are replaced, and only what is new makes a version."""
    after = deepcopy(draft)
    for name, value in changes.items():
        if name == "variables":
            both = {**draft["variables"], **value}
            after["variables"] = {key: one for key, one in both.items() if one is not None}
        else:
            after[name] = value
    return {**after, "version": draft["version"] + 1} if after != draft else draft


@given(acts=ACTS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_drafts_are_what_the_model_says(suite: Suite, acts: list[tuple[str, dict[str, Any]]]) -> None:
    room = Mailroom(suite)
    made = await room.draft()
    model = {name: made[name] for name in (*FIELDS, "version")}
    sent = False
    for act, changes in acts:
        version = model["version"] + (act == "stale")
        arguments = {"draft_id": made["id"], "version": version}
        if act == "send":
            answer = await room.call("send_email", **arguments)
            assert not (sent and "error" not in answer)
            sent = sent or "error" not in answer
            continue
        answer = await room.call("update_draft", **arguments, changes=changes, dry_run=act == "dry")
        if sent or act == "stale":
            assert answer["error"]["code"] == "conflict"
            continue
        wanted = merged(model, changes)
        assert {name: answer["draft"][name] for name in model} == wanted
        model = model if act == "dry" else wanted
    [row] = await suite.sql("SELECT count(*) AS mails FROM mail.mails WHERE draft_id = $1", made["id"])
    assert row["mails"] == sent
