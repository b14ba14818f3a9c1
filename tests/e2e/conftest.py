import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Prints figures, whatever becomes of the test."""

    def lines(*figures: str) -> None:
        with capsys.disabled():
            sys.stdout.writelines(["\n", *(f"  {figure}\n" for figure in figures)])

    return lines
