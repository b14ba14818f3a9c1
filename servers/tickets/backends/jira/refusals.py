"""What Jira says when it refuses: `{"errorMessages": [...], "errors": {field: message}}`."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.core.upstreams import Said


class _Refusal(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    messages: list[str] = Field(default=[], alias="errorMessages")
    errors: dict[str, str] = {}


def explain(body: object) -> Sequence[Said]:
    """Its own words; none if it says it in another way."""
    try:
        refusal = _Refusal.model_validate(body)
    except ValidationError:
        return ()
    named = [Said(field, message) for field, message in refusal.errors.items()]
    return [*named, *(Said("", message) for message in refusal.messages)]
