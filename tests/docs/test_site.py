"""The site: it is built with no warning, has every page, and asks nobody else for anything."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from selectolax.lexbor import LexborHTMLParser

from tests.docs.fences import ROOT

DOCS = ROOT / "docs"
MKDOCS = Path(sys.executable).with_name("mkdocs")
RESOURCES = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make docs` builds it; warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    words = [MKDOCS, "build", "--strict", "--site-dir", folder]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def listed(nav: Any) -> Iterator[str]:
    """Every page of a navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            yield from listed(entry)


def test_every_page_is_in_the_navigation_exactly_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    pages = Counter(path.name for path in DOCS.glob("*.md"))
    assert Counter(listed(nav)) == pages + Counter(["index.md", "decisions/README.md"])


def test_decisions_are_put_in_and_are_all_listed(site: Path) -> None:
    decisions = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert decisions
    text = (DOCS / "decisions" / "README.md").read_text("utf-8")
    home = (site / "index.html").read_text("utf-8")
    for decision in decisions:
        assert f"]({decision.name})" in text
        assert f'href="decisions/{decision.stem}.html"' in home


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 80
    for page in pages:
        tree = LexborHTMLParser(page.read_text("utf-8"))
        for tag, attribute in RESOURCES.items():
            for node in tree.css(f"{tag}[{attribute}]"):
                assert not re.match(r"[a-z]+:|//", node.attributes[attribute] or ""), (page, node.html)
        assert not tree.css(".mermaid"), "the theme would fetch the program that draws it"
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )['\"]?(https?:)?//", style.read_text("utf-8")), style


def test_what_is_linked_to_outside_the_documents_is_a_page(site: Path) -> None:
    shown = (site / "source" / "shared" / "pipeline.py.html").read_text("utf-8")
    assert "class Pipeline" in re.sub(r"<[^>]+>", "", shown)
    assert 'href="source/shared/pipeline.py.html"' in (site / "index.html").read_text("utf-8")
    title = (ROOT / "compose" / "README.md").read_text("utf-8").splitlines()[0].removeprefix("# ")
    assert f">{title}<" in (site / "compose" / "index.html").read_text("utf-8")


def test_what_is_searched_for_is_in_the_index_of_the_search(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"index.html", "settings.html", "decisions/0001-one-distribution.html"} <= found
    assert not any(place.startswith("source/") for place in found)
    (entry,) = (entry for entry in index["docs"] if entry["location"] == "errors.html#what-operators-find")
    assert "never_happened" in entry["text"]
