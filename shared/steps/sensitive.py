"""The marks that models put on text, and what follows from them for each field, worked out once a model."""

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import ComputedFieldInfo, FieldInfo

from shared.core.errors import Misconfigured
from shared.core.marks import Exact
from shared.steps.patterns import mask_all


@dataclass(frozen=True, slots=True)
class Sensitive:
    """Marks a field whose text only holders of `scope` see, as it is; others see it masked.

    Example:
        `email: Annotated[str | None, Sensitive("customers:pii", mask_email)]`

    For one datum a field. Free text stays unmarked: patterns find what is sensitive in it.

    Attributes:
        mask: From the text to its mask; must return its own masks unchanged.
    """

    scope: str
    mask: Callable[[str], str] = mask_all


@dataclass(frozen=True, slots=True)
class Untrusted:
    """Marks text written by outsiders: neutralised, labelled, and then treated by pattern like any other.

    Attributes:
        form: What kind of text it is, see `shared.steps.untrusted`: a short `note`, a whole `document`, or one of
            which all is `shown`, such as plain text or what was cut out of a document neutralised before.
    """

    form: Literal["note", "document", "shown"] = "note"


Mark = Sensitive | Exact | Untrusted | None
"""How a text is treated; None is by pattern."""

_NO_TEXT = (
    bool, int, float, decimal.Decimal, enum.Enum, uuid.UUID, type(None),
    dt.date, dt.time, dt.timedelta,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """How one field of a model is treated.

    Attributes:
        name: The attribute.
        key: Its name in the answer.
        mark: For every text in it, nested models excepted: those have their own plan.
        inner: The nested model, or the first of several.
    """

    name: str
    key: str
    mark: Mark
    inner: type[BaseModel] | None = None


@cache
def plan(model: type[BaseModel]) -> tuple[FieldPlan, ...]:
    """The fields of `model` that can hold text; worked out once for each model.

    Raises:
        Misconfigured: A field is marked Sensitive for two scopes or Untrusted in two forms, or holds what no mask fits.
    """
    fields: dict[str, FieldInfo | ComputedFieldInfo] = {**model.model_fields, **model.model_computed_fields}
    return tuple(
        FieldPlan(name, getattr(info, "serialization_alias", None) or info.alias or name, mark, _inner(info))
        for name, info in fields.items()
        for mark in _mark_of(model, name, info)
    )


def _mark_of(model: type[BaseModel], name: str, info: FieldInfo | ComputedFieldInfo) -> list[Mark]:
    """The mark of a field's text, or nothing if it has none."""
    annotation = info.return_type if isinstance(info, ComputedFieldInfo) else info.annotation
    metadata = [] if isinstance(info, ComputedFieldInfo) else info.metadata
    leaves = list(_leaves(annotation, _own(metadata, None)))
    sensitive = {mark for mark, _ in leaves if isinstance(mark, Sensitive)}
    if len(sensitive) > 1:
        raise Misconfigured(f"{model.__name__}.{name} is Sensitive in two ways; split the field")
    if any(isinstance(mark, Sensitive) and _unmaskable(leaf) for mark, leaf in leaves):
        raise Misconfigured(f"{model.__name__}.{name} is Sensitive, but masks fit only text: mark the text in it")
    texts = [mark for mark, leaf in leaves if mark or not _textless(leaf)]
    if sensitive or not texts:
        return list(sensitive)
    outsiders = {mark for mark in texts if isinstance(mark, Untrusted)}
    if len(outsiders) > 1:
        raise Misconfigured(f"{model.__name__}.{name} is Untrusted in two forms; split the field")
    if outsiders:
        return list(outsiders)
    return [Exact() if all(isinstance(mark, Exact) for mark in texts) else None]


def _leaves(annotation: Any, mark: Mark) -> Iterable[tuple[Mark, Any]]:
    """The types without parts that make up `annotation`, each with the mark nearest to it."""
    if hasattr(annotation, "__metadata__"):
        mark = _own(annotation.__metadata__, mark)
        annotation = annotation.__origin__
    parts = () if get_origin(annotation) is Literal else get_args(annotation)
    if hasattr(annotation, "__value__"):  # a `type` alias
        parts = (annotation.__value__,)
    if not parts or get_origin(annotation) is Callable:
        yield mark, annotation
    for part in parts:
        if part is not ...:
            yield from _leaves(part, mark)


def _own(metadata: Iterable[Any], inherited: Mark) -> Mark:
    marks = [entry for entry in metadata if isinstance(entry, Sensitive | Exact | Untrusted)]
    if len({type(mark) for mark in marks}) > 1:
        raise Misconfigured("one text carries marks of two kinds; Sensitive, Exact and Untrusted exclude each other")
    return marks[-1] if marks else inherited


def _textless(leaf: Any) -> bool:
    return get_origin(leaf) is Literal or (isinstance(leaf, type) and issubclass(leaf, _NO_TEXT))


def _inner(info: FieldInfo | ComputedFieldInfo) -> type[BaseModel] | None:
    annotation = info.return_type if isinstance(info, ComputedFieldInfo) else info.annotation
    leaves = (leaf for _, leaf in _leaves(annotation, None))
    return next((leaf for leaf in leaves if isinstance(leaf, type) and issubclass(leaf, BaseModel)), None)


def _unmaskable(leaf: Any) -> bool:
    return isinstance(leaf, type) and issubclass(leaf, int | float | decimal.Decimal | BaseModel)
