"""The tests a newcomer writes at the end of docs/add-a-fifth-server.md, run where the page puts them."""

import os
import sys
from pathlib import Path

import pytest

from tests.docs.test_add_a_fifth_server import run, tree

__all__ = ["tree"]


@pytest.mark.skipif("SUITE_LONG" not in os.environ, reason="starts a PostgreSQL of its own: make e2e")
def test_the_newcomers_tests_pass_on_real_services(tree: Path) -> None:
    basetemp = f"--basetemp={tree / 'pt'}"
    said = run(tree, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", basetemp, "tests/servers/links")
    assert "7 passed" in said
