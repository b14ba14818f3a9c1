"""The settings and the configuration of docs/managed-postgresql.md are as it says; `make pooled` runs it."""

import re

import pytest

from shared.state.lending import session_url
from tests.docs.environment import settings_of
from tests.docs.fences import ROOT, claimed, fences
from tests.pgbouncer import EXAMPLE

[POOLED] = claimed("docs/managed-postgresql.md", 1)


def test_pools_go_through_the_pooler_and_sessions_past_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings_of(POOLED, monkeypatch)
    assert read.database_url is not None
    assert read.database_url.get_secret_value().endswith("@pgbouncer.internal:6432/suite")
    assert session_url(read, read.database_url.get_secret_value()).endswith("@db.internal:5432/suite")


def test_without_a_way_past_the_pooler_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for line in POOLED.splitlines() if "SESSION_URL" not in line]
    with pytest.raises(Exception, match="pooler-without-session-url"):
        settings_of("\n".join(lines), monkeypatch)


def test_the_configuration_is_the_one_that_tests_run() -> None:
    [shown] = [fence for fence in fences(ROOT / "docs" / "managed-postgresql.md") if fence.language == "ini"]
    assert shown.text == EXAMPLE.read_text("utf-8")
    assert re.search(r"(?m)^pool_mode = transaction$", shown.text)
