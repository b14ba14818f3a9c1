"""A tool's arguments as Cedar sees them: types from their JSON Schema, values from the parsed call.

| JSON Schema | Cedar |
|---|---|
| string, enumeration, date | `String` |
| integer | `Long` |
| number | `decimal`, rounded to four places |
| boolean | `Bool` |
| array | `Set` of one of these |
| object with named properties | a record |

What may be null is an attribute that may be missing (`context.arguments has email`); what is left out has its default.
What has no type in Cedar, as a map or a mixture, is not shown to policies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, cast

_DEPTH = 8
_PLACES = Decimal("0.0001")


@dataclass(frozen=True)
class Leaf:
    """A value without parts; `name` is Cedar's."""

    name: str

    def text(self) -> str:
        return self.name

    def value(self, given: Any) -> Any:
        if self.name == "decimal":
            exact = Decimal(str(given)).quantize(_PLACES, ROUND_HALF_EVEN)
            return {"__extn": {"fn": "decimal", "arg": f"{exact:f}"}}
        return given


@dataclass(frozen=True)
class SetOf:
    """Several of one shape, in no order."""

    inner: "Shape"

    def text(self) -> str:
        return f"Set<{self.inner.text()}>"

    def value(self, given: Any) -> Any:
        return [self.inner.value(one) for one in given]


@dataclass(frozen=True)
class Record:
    """Attributes by name, each with whether it is always there."""

    attributes: Mapping[str, tuple["Shape", bool]]

    def text(self) -> str:
        told = (f'"{name}"{"" if always else "?"}: {shape.text()}' for name, (shape, always) in self.attributes.items())
        return f"{{ {', '.join(told)} }}"

    def value(self, given: Any) -> Any:
        return {
            name: shape.value(given[name])
            for name, (shape, _) in self.attributes.items()
            if given.get(name) is not None
        }


Shape = Leaf | SetOf | Record

_LEAVES = {"string": Leaf("String"), "integer": Leaf("Long"), "number": Leaf("decimal"), "boolean": Leaf("Bool")}


def record_of(schema: Mapping[str, Any]) -> Record:
    """The record of a model, from its JSON Schema."""
    return _record(schema, schema.get("$defs", {}), _DEPTH)


def _record(node: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> Record:
    attributes: dict[str, tuple[Shape, bool]] = {}
    for name, child in node.get("properties", {}).items():
        shape, nullable = _shape(child, defs, depth - 1)
        if shape is not None:
            attributes[name] = (shape, not nullable)
    return Record(attributes)


def _shape(node: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> tuple[Shape | None, bool]:
    """The shape, if there is one, and whether null will do."""
    if depth == 0:
        return None, False
    if "$ref" in node:
        return _shape(defs[node["$ref"].rsplit("/", 1)[-1]], defs, depth - 1)
    if "anyOf" in node:
        return _one_of(cast("list[Mapping[str, Any]]", node["anyOf"]), defs, depth)
    return _plain(node, defs, depth), False


def _plain(node: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> Shape | None:
    kind = node.get("type", "")
    if "enum" in node or "const" in node:
        values = node.get("enum", [node.get("const")])
        return Leaf("String") if all(isinstance(value, str) for value in values) else None
    if kind == "array" and "items" in node:
        inner, nullable = _shape(node["items"], defs, depth - 1)
        return SetOf(inner) if inner is not None and not nullable else None
    if kind == "object" and "properties" in node:
        return _record(node, defs, depth)
    return _LEAVES.get(kind)


def _one_of(choices: list[Mapping[str, Any]], defs: Mapping[str, Any], depth: int) -> tuple[Shape | None, bool]:
    others = [choice for choice in choices if choice.get("type") != "null"]
    nullable = len(others) < len(choices)
    if any(choice.get("type") == "number" for choice in others):  # a Decimal is a number or its text
        return Leaf("decimal"), nullable
    if len(others) == 1:
        return _shape(others[0], defs, depth)[0], nullable
    return None, nullable
