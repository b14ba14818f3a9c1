"""Variables of templates: each has a type, limits, and a description for whoever fills it in."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

Given = str | bool | int | float | list[str] | None
"""A value as JSON has it."""

NAME = r"^[a-z][a-z0-9_]{0,39}$"
_NUMBERS = 10**15
_ITEM_MAX = 500
_URL_MAX = 2_000


class Unfit(ValueError):
    """A value that does not fit its variable."""


class Kind(StrEnum):
    """What a variable may be."""

    STRING = "string"
    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    URL = "url"
    BOOLEAN = "boolean"
    LIST = "list"


class Variable(BaseModel):
    """One variable.

    Attributes:
        max_length: Characters of a string or text; items of a list.
        minimum: Of an integer or decimal, as `maximum`.
        fill: `name`: if nobody gives it, it is the name the customer is kept under.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Annotated[Kind, Field(strict=False)]
    description: Annotated[str, Field(min_length=1, max_length=300)]
    required: bool = True
    max_length: Annotated[int | None, Field(ge=1, le=20_000)] = None
    minimum: Annotated[int | None, Field(ge=-_NUMBERS, le=_NUMBERS)] = None
    maximum: Annotated[int | None, Field(ge=-_NUMBERS, le=_NUMBERS)] = None
    fill: Literal["name"] | None = None

    def checked(self, given: Given) -> Any:
        """The value as the template gets it.

        Raises:
            Unfit: The message says what would fit.
        """
        if given is None:
            if self.required:
                raise Unfit("is missing")
            return None
        return _CHECKS[self.type](self, given)


def checked(variables: Mapping[str, Variable], given: Mapping[str, Given]) -> tuple[dict[str, Any], list[str]]:
    """All values, and what is wrong with those that do not fit; nothing that was given is repeated in it."""
    values: dict[str, Any] = {}
    problems = [f"there is no variable {name!r}" for name in sorted(given.keys() - variables.keys())]
    for name, variable in variables.items():
        try:
            values[name] = variable.checked(given.get(name))
        except Unfit as problem:
            problems.append(f"{name} {problem}: {variable.description}")
    return values, problems


def _text(variable: Variable, given: Given) -> str:
    most = variable.max_length or (5_000 if variable.type is Kind.TEXT else 200)
    if not isinstance(given, str) or len(given) > most:
        raise Unfit(f"must be text of at most {most} characters")
    if variable.type is Kind.STRING and not given.isprintable():
        raise Unfit("must be one line of printable characters")
    if "\0" in given:
        raise Unfit("must not hold the character NUL")
    return given


def _integer(variable: Variable, given: Given) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise Unfit("must be a whole number")
    return _within(variable, given)


def _decimal(variable: Variable, given: Given) -> Decimal:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise Unfit("must be a number")
    if isinstance(given, str) and not re.fullmatch(r"-?\d{1,15}(\.\d{1,6})?", given, re.ASCII):
        raise Unfit('must be a number, like "12.50"')
    try:
        value = Decimal(str(given))
    except InvalidOperation:
        raise Unfit("must be a number") from None
    if not value.is_finite():
        raise Unfit("must be a finite number")
    return _within(variable, value)


def _within(variable: Variable, value: Any) -> Any:
    least = -_NUMBERS if variable.minimum is None else variable.minimum
    most = _NUMBERS if variable.maximum is None else variable.maximum
    if not least <= value <= most:
        raise Unfit(f"must be from {least} to {most}")
    return value


def _date(_variable: Variable, given: Given) -> date:
    if not isinstance(given, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", given, re.ASCII):
        raise Unfit("must be a date, like 2026-03-31")
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise Unfit("must be a date that exists") from None


def _url(_variable: Variable, given: Given) -> str:
    if not isinstance(given, str) or len(given) > _URL_MAX or not given.isascii() or re.search(r"[\s<>\"'\\]", given):
        raise Unfit("must be a URL")
    try:
        parts = urlsplit(given)
        sound = parts.scheme == "https" and parts.hostname and "@" not in parts.netloc
    except ValueError:
        sound = False
    if not sound:
        raise Unfit("must be a URL that begins with https://, without a user")
    return given


def _boolean(_variable: Variable, given: Given) -> bool:
    if not isinstance(given, bool):
        raise Unfit("must be true or false")
    return given


def _list(variable: Variable, given: Given) -> list[str]:
    most = variable.max_length or 20
    if not isinstance(given, list) or len(given) > most:
        raise Unfit(f"must be a list of at most {most} texts")
    if any(len(item) > _ITEM_MAX or not item.isprintable() for item in given):
        raise Unfit(f"must hold lines of at most {_ITEM_MAX} printable characters")
    return given


_CHECKS: Mapping[Kind, Any] = {
    Kind.STRING: _text,
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.DECIMAL: _decimal,
    Kind.DATE: _date,
    Kind.URL: _url,
    Kind.BOOLEAN: _boolean,
    Kind.LIST: _list,
}
