"""Tests of mail are not about pressure: a machine that is busy with other tests sheds no bulk here."""

import pytest

from shared.edge import pressure


@pytest.fixture(autouse=True)
def at_ease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "_LAG_PRESSED_S", 60.0)
