"""The page on one's own relay: its settings are taken, and are enough."""

import pytest

from shared.core.settings import Settings
from tests.docs.fences import claimed

[VARIABLES] = claimed("docs/connect-your-smtp.md", 1)


def test_the_variables_of_the_page_are_a_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in VARIABLES.splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    smtp = Settings().smtp
    assert (smtp.host, smtp.username, smtp.security) == ("smtp.example.com", "suite", "starttls")
    assert smtp.password is not None
    assert smtp.password.get_secret_value() == "…"
