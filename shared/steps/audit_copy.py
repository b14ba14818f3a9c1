import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import islice
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

from shared.steps.patterns import mask_text
from shared.steps.sensitive import FieldPlan, Mark, Sensitive, plan

DEPTH = 8
ITEMS = 100
TEXT = 2_000
KEY = 64
SIZE = 32_768
"""Of a whole copy, in characters; a value costs `_COST` besides its text."""

_NO_PARTS: dict[str, FieldPlan] = {}
_COST = 16
_NAMES = 100
_OVERLAP = 64
"""More than what can be left of anything we hide when a text is cut through it."""

_CONTAINERS = (BaseModel, Mapping, list, tuple, set, frozenset)
_SECRET_NAME = re.compile(
    r"passw|passphrase|pwd|secret|token|api_?key|private_?key|authorization|cookie|credential", re.IGNORECASE
)


def bounded_copy(
    arguments: Mapping[str, Any] | BaseModel, like: type[BaseModel] | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A JSON-ready, masked copy of at most about `SIZE` characters, and the names of what was hidden or cut."""
    copy = _Copy()
    try:
        if isinstance(arguments, BaseModel):
            return copy.model(arguments, 0, ""), tuple(copy.names)
        return copy.mapping(arguments, like, None, 0, ""), tuple(copy.names)
    except Exception:  # noqa: BLE001 - the record of a call must be written, whatever its arguments are made of
        return {"unreadable": type(arguments).__name__[:KEY]}, ("unreadable",)


@dataclass(slots=True)
class _Copy:
    left: int = SIZE
    names: dict[str, None] = field(default_factory=dict[str, None])

    def note(self, path: str, name: str = "") -> None:
        if len(self.names) < _NAMES:
            self.names[f"{path}:{name}" if path and name else path or name] = None

    def value(self, value: Any, like: type[BaseModel] | None, mark: Mark, depth: int, path: str) -> Any:
        self.left -= _COST
        if type(value) is str:  # as most are: the tests below cost more than what follows here
            return self.text(value, mark, path)
        if isinstance(value, _CONTAINERS):
            return self.container(value, like, mark, depth, path)
        if isinstance(value, Enum):
            value = value.value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value, mark, path)
        if isinstance(value, int | float | Decimal):
            return self.number(value, mark, path)
        return self.other(value, mark, path)

    def container(
        self, value: Any, like: type[BaseModel] | None, mark: Mark, depth: int, path: str
    ) -> dict[str, Any] | list[Any] | str:
        if depth >= DEPTH or self.left <= 0:
            self.note(path, "cut")
            return "[cut]"
        if isinstance(value, BaseModel):
            return self.model(value, depth, path)
        if isinstance(value, Mapping):
            return self.mapping(cast("Mapping[Any, Any]", value), like, mark, depth, path)
        return self.items(list(cast("Iterable[Any]", value)), like, mark, depth, path)

    def model(self, model: BaseModel, depth: int, path: str) -> dict[str, Any]:
        values, marks = model.__dict__, _marks(type(model))
        copied = {
            name: self.value(values.get(name), None, mark, depth + 1, _join(path, name)) for name, mark in marks.items()
        }
        if not model.model_extra:
            return copied
        return {**self.mapping(model.model_extra, None, None, depth, path), **copied}

    def mapping(
        self, mapping: Mapping[Any, Any], like: type[BaseModel] | None, mark: Mark, depth: int, path: str
    ) -> dict[str, Any]:
        parts = {part.key: part for part in plan(like)} if like else _NO_PARTS
        copied: dict[str, Any] = {}
        for key, value in islice(mapping.items(), self.room()):
            name = self.key(key, path)
            while name in copied:
                name += "~"
            inner = _join(path, name)
            if _SECRET_NAME.search(name) and isinstance(value, str | int | float) and value:
                self.note(inner, "secret")
                copied[name] = "[secret]"
            else:
                part = parts.get(name)
                like_inner, marked = (part.inner, part.mark) if part else (None, mark)
                copied[name] = self.value(value, like_inner, marked, depth + 1, inner)
        if len(copied) < len(mapping):
            self.note(path, "cut")
            copied["[cut]"] = f"{len(mapping) - len(copied)} more"
        return copied

    def items(self, values: list[Any], like: type[BaseModel] | None, mark: Mark, depth: int, path: str) -> list[Any]:
        copied = [self.value(value, like, mark, depth + 1, path) for value in values[: self.room()]]
        if len(copied) < len(values):
            self.note(path, "cut")
            copied.append(f"[cut] {len(values) - len(copied)} more")
        return copied

    def room(self) -> int:
        """How many parts of a container may still be looked at."""
        return max(0, min(ITEMS, self.left // _COST))

    def key(self, key: Any, path: str) -> str:
        known = isinstance(key, str) or (isinstance(key, int) and abs(key) < 2**63)
        text = str(key) if known else f"[{type(key).__name__}]"
        masked, names = mask_text(_storable(text[: KEY + _OVERLAP]), contact=True)
        for name in names:
            self.note(path, name)
        self.left -= len(masked[:KEY])
        return masked if len(text) <= KEY else masked[:KEY] + "…"

    def text(self, text: str, mark: Mark, path: str) -> str:
        if isinstance(mark, Sensitive) and text:
            self.note(path)
            return self.spend(mark.mask(_storable(text[:TEXT])))
        limit = max(0, min(TEXT, self.left))
        masked, names = mask_text(_storable(text[: limit + _OVERLAP]), contact=True)
        for name in names:
            self.note(path, name)
        if len(text) <= limit:
            return self.spend(masked)
        self.note(path, "cut")
        kept = masked if len(text) <= limit + _OVERLAP else masked[:-_OVERLAP]
        kept = kept[:limit]
        return self.spend(f"{kept}…[cut, {len(text)} characters]")

    def spend(self, text: str) -> str:
        self.left -= len(text)
        return text

    def number(self, number: float | Decimal, mark: Mark, path: str) -> Any:
        if isinstance(number, int) and number.bit_length() > 63:  # noqa: PLR2004 - JSON as we store it
            self.note(path, "cut")
            return "[cut] a number beyond 64 bits"
        text = str(number)
        masked = self.text(text, mark, path)
        if masked != text or isinstance(number, Decimal):
            return masked
        return number if math.isfinite(number) else None

    def other(self, value: Any, mark: Mark, path: str) -> str:
        """Dates and ids as text; of anything else, only what it was."""
        if isinstance(value, UUID):
            return str(value)
        if hasattr(value, "isoformat"):
            return self.text(value.isoformat(), mark, path)
        self.note(path, "cut")
        return f"[{type(value).__name__[:KEY]}]"


@cache
def _marks(model: type[BaseModel]) -> dict[str, Mark]:
    """Every field of the model with the mark of its text, if it has one."""
    marked = {part.name: part.mark for part in plan(model)}
    return {name: marked.get(name) for name in model.model_fields}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _storable(text: str) -> str:
    """Without what JSON or PostgreSQL cannot carry: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
