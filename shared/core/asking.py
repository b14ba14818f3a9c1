"""Questions a tool puts to the caller's own user (MCP: elicitation), in both eras by running the call again.

A tool that asks is stopped and rolled back, so that no transaction waits for a person. Once the answer is there the
call passes the whole path again, limits and policy included, and `Call.ask` returns the answer. A tool must therefore
ask before it does anything that a rollback does not undo, and ask the same again when it is run again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from shared.core.errors import Declined, Invalid, Misconfigured, SuiteError

FormT = TypeVar("FormT", bound=BaseModel)

_KEY_BYTES = 8
_PRIMITIVES = {"string", "integer", "number", "boolean"}
_KEPT = {"type", "description", "enum", "default", "minimum", "maximum", "minLength", "maxLength", "format", "title"}


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        message: What the user reads.
        form: What the user fills in: flat, of strings, numbers, booleans and enumerations (MCP, client/elicitation).
        number: How many questions of this call came before; two that read alike are two.
    """

    message: str
    form: type[BaseModel]
    number: int

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The form as JSON Schema.

        Raises:
            Misconfigured: Clients could not show it.
        """
        whole = self.form.model_json_schema()
        shown: dict[str, Any] = {}
        for name, field_schema in whole.get("properties", {}).items():
            if field_schema.get("type") not in _PRIMITIVES:
                raise Misconfigured(
                    f"{self.form.__name__}.{name}: a form has strings, numbers, booleans and enums only"
                )
            shown[name] = {key: value for key, value in field_schema.items() if key in _KEPT}
        return {"type": "object", "properties": shown, "required": whole.get("required", [])}

    @cached_property
    def key(self) -> str:
        """Names the question in both directions; another message or form is another question, to be asked anew."""
        asked = orjson.dumps([self.number, self.message, self.schema])
        return f"ask-{self.number}-{blake2b(asked, digest_size=_KEY_BYTES).hexdigest()}"


class Asked(SuiteError):
    """A question has no answer yet: the call stops here, changes nothing, and is run again with the answer."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.key)
        self.question = question


@dataclass
class Answers:
    """What the user said to the questions of one call, as the client sent it.

    Attributes:
        given: `{"action": "accept" | "decline" | "cancel", "content": …}` by the key of the question.
    """

    given: Mapping[str, Any]
    asked: int = field(default=0, init=False)

    def to(self, message: str, form: type[FormT]) -> FormT:
        """The answer.

        Raises:
            Asked: There is none yet.
            Declined: The user would not say.
            Invalid: It does not fit the form.
        """
        question = Question(message, form, self.asked)
        self.asked += 1
        answer = self.given.get(question.key)
        match answer:
            case {"action": "accept"}:
                return _filled(form, answer.get("content"))
            case {"action": "decline" | "cancel" as action}:
                raise Declined(f"The user was asked and answered with {action}. Nothing was changed; do not insist.")
            case _:
                raise Asked(question)


def _filled(form: type[FormT], content: Any) -> FormT:
    try:
        return form.model_validate_json(orjson.dumps(content or {}), strict=True)
    except (ValidationError, TypeError, ValueError):
        raise Invalid("The user's answer does not fit the form. Nothing was changed; ask again.") from None
