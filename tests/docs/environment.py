"""Settings as a page writes them down."""

import pytest

from shared.core.settings import Settings


def settings_of(block: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a process would read of these lines, `NAME=value` each."""
    for line in block.splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
    return Settings()
