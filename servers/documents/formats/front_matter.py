"""The YAML block on top of a Markdown file: title, description, tags."""

import re
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from servers.documents.formats.words import clean, labels, summarised

LIMIT = 16 * 1024
"""Characters of a front matter; a longer one is text."""

_OPENS = re.compile(r"---[ \t]*\n")
_CLOSES = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE)
_MOST_TAGS = 100


class _Words(yaml.BaseLoader):
    """Strings, lists and mappings only. `1.10` and `no` stay what was written; aliases, which can grow without
    measure, and tags, which can name Python objects, are errors.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = cast("yaml.Event", self.peek_event())  # pyright: ignore[reportUnknownMemberType] - it has no types
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            raise yaml.YAMLError
        return super().compose_node(parent, index)


@dataclass(frozen=True)
class FrontMatter:
    """What is used of a front matter; empty where it says nothing.

    Attributes:
        classification: As it is written, whatever that is; None if it is not named.
        readers: The same; one that is no word is an empty one.
    """

    title: str = ""
    summary: str = ""
    labels: tuple[str, ...] = ()
    classification: str | None = None
    readers: tuple[str, ...] | None = None
    notes: tuple[str, ...] = field(default=())


def split(text: str) -> tuple[FrontMatter, str]:
    """The front matter of a text, and the text without it. What cannot be read stays in the text, with a note."""
    opened = _OPENS.match(text)
    if opened is None:
        return FrontMatter(), text
    closed = _CLOSES.search(text, opened.end())
    if closed is None or closed.start() > LIMIT:
        note = f"The front matter is longer than {LIMIT:,} characters" if closed else "The front matter has no end"
        return FrontMatter(notes=(f"{note}; it is read as text.",)), text
    fields = _fields(text[opened.end() : closed.start()])
    if fields is None:
        return FrontMatter(notes=("The front matter is no plain YAML mapping; it is read as text.",)), text
    return _used(fields), text[closed.end() :]


def _fields(source: str) -> dict[str, Any] | None:
    try:
        found = yaml.load(source, Loader=_Words)  # noqa: S506 - stricter than the safe loader: builds nothing but words
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None if found else {}
    return {str(key).lower(): value for key, value in cast("dict[Any, Any]", found).items()}


def _used(fields: dict[str, Any]) -> FrontMatter:
    return FrontMatter(
        title=clean(_first(fields, "title")),
        summary=summarised(_first(fields, "description", "summary")),
        labels=labels(tag for name in ("tags", "labels", "keywords") for tag in _several(fields.get(name))),
        classification=str(fields["classification"]) if "classification" in fields else None,
        readers=tuple(_several(fields["readers"])) or ("",) if "readers" in fields else None,
    )


def _first(fields: dict[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := fields.get(name), str) and value.strip()), "")


def _several(value: Any) -> list[str]:
    """`[a, b]`, `a, b` or `a`."""
    if isinstance(value, str):
        return value.split(",")[:_MOST_TAGS]
    return (
        [item for item in cast("list[Any]", value)[:_MOST_TAGS] if isinstance(item, str)]
        if isinstance(value, list)
        else []
    )
