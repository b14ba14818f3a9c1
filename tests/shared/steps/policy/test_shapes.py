"""Policies see the arguments of a call in Cedar's types."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from shared.steps.policy.shapes import record_of


class Colour(StrEnum):
    RED = "red"


class Inner(BaseModel):
    count: int
    note: str | None = None


class Many(BaseModel):
    text: str
    number: int
    ratio: float
    price: Decimal
    yes: bool
    colour: Colour
    maybe: Annotated[int | None, Field(ge=0)] = None
    names: Annotated[list[str], Field(default_factory=list)]
    inner: Inner
    inners: Annotated[list[Inner], Field(default_factory=list)]
    anything: Any = None
    table: Annotated[dict[str, int], Field(default_factory=dict)]
    mixed: int | str = 0


class Node(BaseModel):
    next: "Node | None" = None


SHAPE = record_of(Many.model_json_schema())
DECIMAL = "__extn"


def test_what_has_a_type_in_cedar_is_shown_and_the_rest_is_not() -> None:
    inner = '{ "count": Long, "note"?: String }'
    assert SHAPE.text() == (
        '{ "text": String, "number": Long, "ratio": decimal, "price": decimal, "yes": Bool, "colour": String, '
        f'"maybe"?: Long, "names": Set<String>, "inner": {inner}, "inners": Set<{inner}> }}'
    )


def test_values_follow_their_types() -> None:
    given = {"text": "a", "number": 1, "ratio": 0.1, "price": "9.99", "yes": True, "colour": "red"}
    many = Many.model_validate({**given, "inner": {"count": 2}})
    shown = SHAPE.value(many.model_dump(mode="json"))
    assert shown == {
        **{"text": "a", "number": 1, "yes": True, "colour": "red", "names": [], "inners": []},
        "inner": {"count": 2},
        "ratio": {DECIMAL: {"fn": "decimal", "arg": "0.1000"}},
        "price": {DECIMAL: {"fn": "decimal", "arg": "9.9900"}},
    }


def test_a_model_within_itself_ends_somewhere() -> None:
    assert record_of(Node.model_json_schema()).text().count("next") < 10


@pytest.mark.parametrize(("given", "told"), [(1e-9, "0.0000"), (-2.00005, "-2.0000"), (1e10, "10000000000.0000")])
def test_numbers_are_rounded_to_four_places(given: float, told: str) -> None:
    ratio = SHAPE.attributes["ratio"][0]
    assert ratio.value(given) == {DECIMAL: {"fn": "decimal", "arg": told}}
