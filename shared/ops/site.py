"""What MkDocs is told beyond `mkdocs.yml` (its `hooks`): the README is the home page, decisions are in the navigation,
and whatever documents link to outside docs/ is a page, so that the site is whole without a forge.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[2]
_HOME = "README.md"
_ALSO = tuple(name for name in ("CHANGELOG.md", "SECURITY.md") if (_ROOT / name).exists())
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_EXCERPT = re.compile(r"^```(\S+) (\S+)$", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".sql": "sql", ".lua": "lua"}
_UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Every decision, below the list of them."""
    nav = cast("list[dict[str, Any]]", config["nav"])
    for entry in nav:
        if "Decisions" in entry:
            pages = sorted((_ROOT / "docs" / "decisions").glob("[0-9]*.md"))
            entry["Decisions"] += [f"decisions/{page.name}" for page in pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages for the README and for what is linked to outside docs/, what those link to included."""
    made: set[str] = set()
    left = [_HOME, *_ALSO, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    while left:
        name = left.pop()
        if name in made:
            continue
        made.add(name)
        path = _ROOT / name
        if not name.startswith("docs/"):
            shown = InclusionLevel.INCLUDED if name == _HOME else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, _place(name), content=_content(path, name), inclusion=shown))
        if path.suffix == ".md":
            left += [target for target in _targets(name) if (_ROOT / target).exists()]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links as they are in the site."""
    del config
    uri = page.file.src_uri
    name = next((name for name in (f"docs/{uri}", _HOME, uri) if _place(name) == uri and (_ROOT / name).exists()), None)
    if name is None:  # of a file that is no document: its links are made for the site
        return markdown

    def placed(found: re.Match[str]) -> str:
        target = _target(name, found[1])
        place = _place(target)
        known = (_ROOT / target).exists() and files.get_file_from_path(place) is not None
        return f"]({posixpath.relpath(place, posixpath.dirname(uri) or '.')}{found[2] or ''})" if known else found[0]

    parts = _FENCE.split(markdown)
    return "".join(
        _EXCERPT.sub(r'```\1 title="\2"', part) if part.startswith("```") else _LINK.sub(placed, part) for part in parts
    )


def _targets(name: str) -> Iterator[str]:
    text = _FENCE.sub("", (_ROOT / name).read_text("utf-8"))
    yield from (_target(name, found[1]) for found in _LINK.finditer(text))


def _target(name: str, link: str) -> str:
    """What a link of a document leads to, from the root of the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), link))


def _place(name: str) -> str:
    """Where the site has it; `name` is from the root of the repository."""
    if name == _HOME:
        return "index.md"
    path = _ROOT / name
    if name.startswith("docs/") and not name.startswith("docs/examples"):
        return f"{name.removeprefix('docs/')}/README.md" if path.is_dir() else name.removeprefix("docs/")
    if path.suffix == ".md":
        return name
    return f"source/{name}/index.md" if path.is_dir() else f"source/{name}.md"


def _content(path: Path, name: str) -> str:
    if path.suffix == ".md":
        return path.read_text("utf-8")
    if path.is_dir():
        listed = "\n".join(f"- `{one.name}`" for one in sorted(path.iterdir()) if not one.name.startswith((".", "__")))
        return f"{_UNSEARCHED}# `{name}/`\n\n{listed}\n"
    language = _LANGUAGES.get(path.suffix, "text")
    return f"{_UNSEARCHED}# `{name}`\n\n````{language}\n{path.read_text('utf-8')}\n````\n"
