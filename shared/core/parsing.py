from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from shared.core.errors import Invalid


def parsed(name: str, model: type[BaseModel], arguments: Mapping[str, Any]) -> Any:
    """The arguments of `name` as its model has them: nothing is coerced.

    Raises:
        Invalid: With one line for each problem, and never the rejected value.
    """
    try:
        return model.model_validate_json(orjson.dumps(arguments), strict=True)
    except ValidationError as error:
        raise Invalid(_explain(name, error)) from None
    except (TypeError, ValueError):  # orjson: an integer beyond 64 bits, or a lone surrogate
        raise Invalid(f"The arguments of {name} hold a number or text that JSON cannot carry") from None


def _explain(name: str, error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in found['loc']) or 'arguments'}: {found['msg']}"
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return f"The arguments of {name} are invalid. " + "; ".join(problems[:20])
