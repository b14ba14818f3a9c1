"""docs/troubleshooting.md and the runbooks: every message they quote is one of the code's, every code has its row."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from shared.core.errors import Failure
from tests.docs.fences import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
PAGES = [PAGE, *sorted((ROOT / "docs").glob("incident-*.md"))]
QUOTED = re.compile(r"“([^”]+)”")


def texts() -> Iterator[str]:
    """Every text in our code, with `…` for what is filled in."""
    for folder in ("shared", "servers", "compose"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
                elif isinstance(node, ast.JoinedStr):
                    yield "".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values)


@cache
def said() -> str:
    return "\n".join(texts())


def is_said(message: str) -> bool:
    pieces = [piece.strip() for piece in message.split("…") if len(piece.strip()) > 1]
    return bool(pieces) and all(piece in said() for piece in pieces)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_message_is_one_that_the_code_says(page: Path) -> None:
    assert [message for message in QUOTED.findall(page.read_text("utf-8")) if not is_said(message)] == []


def test_a_message_that_nobody_says_is_found() -> None:
    assert not is_said("The database is on holiday.")


def test_every_code_that_needs_somebody_to_act_is_in_the_page() -> None:
    callers_own = {"invalid", "not_found", "declined", "rejected"}
    codes = {kind.code for kind in _all(Failure)} - callers_own
    text = PAGE.read_text("utf-8")
    assert {code for code in codes if f"`{code}`" not in text} == set()


def _all(kind: type[Failure]) -> Iterator[type[Failure]]:
    for inner in kind.__subclasses__():
        if inner.__module__ == Failure.__module__:
            yield inner
            yield from _all(inner)


def test_every_runbook_is_in_the_index_and_has_its_parts() -> None:
    index = (ROOT / "docs" / "incident-response.md").read_text("utf-8")
    runbooks = [page for page in PAGES if page not in {PAGE, ROOT / "docs" / "incident-response.md"}]
    assert len(runbooks) > 10
    for page in runbooks:
        assert f"({page.name})" in index, page.name
        headings = re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)
        assert headings == ["Seen", "First five minutes", "Mend", "Verify", "Afterwards"], page.name
