"""`docs/tickets-over-jira.md` says what the code takes, offers and shows."""

import re
import shlex
from pathlib import Path

import pytest

import servers
from servers.tickets.backends.jira.options import Options
from servers.tickets.over_jira import jira
from shared.core.settings import Settings
from shared.core.upstreams import Upstream
from tests.docs.fences import claimed

PAGE = (Path(__file__).parents[2] / "docs" / "tickets-over-jira.md").read_text()
[BLOCK] = claimed("docs/tickets-over-jira.md", 1)


def test_the_settings_of_the_page_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for assignment in shlex.split(BLOCK):
        name, _, value = assignment.partition("=")
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SUITE_UPSTREAMS__JIRA__SCOPES", "write:jira-work")
    upstream = Settings().upstreams["jira"]
    options = Options.model_validate(upstream.options)
    assert options.projects == ["SUP"]
    assert options.queue_of("SUP", ["Billing"]) == "billing"


def test_it_names_the_tools_there_are_and_no_setting_there_is_not() -> None:
    offered = PAGE.partition("Over Jira the server offers ")[2].partition(" and the resource")[0]
    assert re.findall(r"`(\w+)`", offered) == list(jira.tools.tools)
    left_out = set(servers.load("tickets").tools.tools) - set(jira.tools.tools)
    assert "merge_tickets" in left_out
    settings = set(re.findall(r"`((?:answer|wait|connect|settle|breaker)_\w+|attempts)`", PAGE))
    assert settings <= set(Upstream.model_fields)
