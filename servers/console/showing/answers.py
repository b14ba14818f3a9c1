"""Any tool's arguments or answer, laid out for a person: facts, tables, lists, and what changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from markupsafe import Markup

from servers.console.showing.differing import difference
from servers.console.showing.revealing import as_text, revealed

Kind = Literal["text", "facts", "table", "list", "changes", "nothing"]

_DEPTH_MAX = 6
_ROWS_MAX = 50
_ITEMS_MAX = 100
_LONG, _SHORT = 240, 40
_WORDS = {"html": "HTML", "uri": "URI", "url": "URL", "id": "Number", "to": "To"}
_COLUMNS_MAX = 8
_ROW_CELL = 400
_NONE = Markup()
_BEFORE = ("before", "old", "from", "was")
_AFTER = ("after", "new", "to", "now")


@dataclass(frozen=True)
class Block:
    """A part of a page.

    Attributes:
        kind: `text`: `words`; `facts`: pairs of label and block; `table`: `columns` and `rows` of words; `list`:
            blocks; `changes`: rows of name and difference.
        long: Of a text: better on lines of its own.
        short: Of a list: all are a word or two.
        left_out: How many more there are, of rows or items.
    """

    kind: Kind
    words: Markup = _NONE
    long: bool = False
    facts: tuple[tuple[str, "Block"], ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Markup, ...], ...] = ()
    items: tuple["Block", ...] = ()
    short: bool = False
    left_out: int = 0


def laid_out(value: Any, depth: int = 0) -> Block:
    """The value as a block; deeper than six levels it is written as it is."""
    if isinstance(value, Mapping) and depth < _DEPTH_MAX:
        return _of_mapping(cast("Mapping[str, Any]", value), depth)
    if isinstance(value, list) and depth < _DEPTH_MAX:
        return _of_list(cast("list[Any]", value), depth)
    text = as_text(value)
    return Block("text", words=revealed(text), long=len(text) > _LONG or "\n" in text)


def label(name: str) -> str:
    """A field's name in words: `customer_id` is Customer id."""
    return _WORDS.get(name) or name.replace("_", " ").strip().capitalize() or name


def _of_mapping(value: Mapping[str, Any], depth: int) -> Block:
    if not value:
        return Block("nothing")
    if (change := _change(value)) is not None:
        return Block("changes", rows=(change,))
    if all(isinstance(one, Mapping) and _change(cast("Mapping[str, Any]", one)) for one in value.values()):
        rows = [_change({"field": name, **one}) for name, one in value.items()]
        return Block("changes", rows=tuple(row for row in rows if row))
    facts = [(label(name), laid_out(one, depth + 1)) for name, one in value.items() if one not in (None, [], {})]
    return Block("facts", facts=tuple(facts)) if facts else Block("nothing")


def _of_list(value: list[Any], depth: int) -> Block:
    if not value:
        return Block("nothing")
    mappings = [cast("Mapping[str, Any]", one) for one in value if isinstance(one, Mapping)]
    if len(mappings) == len(value):
        changes = [_change(one) for one in mappings]
        if all(changes):
            return Block("changes", rows=tuple(row for row in changes if row))
        if table := _table(mappings):
            return table
    items = tuple(laid_out(one, depth + 1) for one in value[:_ITEMS_MAX])
    short = all(one.kind == "text" and len(one.words) < _SHORT for one in items)
    return Block("list", items=items, short=short, left_out=len(value) - len(items))


def _table(rows: Sequence[Mapping[str, Any]]) -> Block | None:
    """A table, if each row is flat enough for one."""
    named = dict.fromkeys(name for row in rows for name, one in row.items() if one not in (None, [], {}))
    if not named or len(named) > _COLUMNS_MAX or not all(_flat(row.get(name)) for row in rows for name in named):
        return None
    shown = tuple(tuple(revealed(_cell(row.get(name))) for name in named) for row in rows[:_ROWS_MAX])
    return Block("table", columns=tuple(map(label, named)), rows=shown, left_out=len(rows) - len(shown))


def _flat(value: Any) -> bool:
    if isinstance(value, list):
        return all(not isinstance(one, list | Mapping) for one in cast("list[Any]", value))
    return not isinstance(value, Mapping) and len(as_text(value)) <= _ROW_CELL


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(as_text, cast("list[Any]", value)))
    return as_text(value)


def _change(value: Mapping[str, Any]) -> tuple[Markup, ...] | None:
    """Name and difference of one changed field, if that is what the mapping tells."""
    for before, after in zip(_BEFORE, _AFTER, strict=True):
        if before in value and after in value and _only(value, {"field", "name", "path", before, after}):
            name = next((str(value[key]) for key in ("field", "name", "path") if key in value), "")
            return revealed(label(name)), difference(_cell(value[before]), _cell(value[after]))
    return None


def _only(value: Mapping[str, Any], names: Iterable[str]) -> bool:
    return set(value) <= set(names) and all(_flat(one) for one in value.values())
