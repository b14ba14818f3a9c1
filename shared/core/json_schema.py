from typing import Any, cast

from pydantic import BaseModel


def plain_schema(model: type[BaseModel], mode: Any = "validation") -> dict[str, Any]:
    """JSON Schema 2020-12 without the generated titles, which only cost tokens."""

    def strip(node: Any, named: bool = False) -> Any:
        if isinstance(node, list):
            return [strip(item) for item in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        # Under `properties` the keys are names of ours, and one of them may be "title".
        return {
            key: strip(value, named=key == "properties" and not named)
            for key, value in cast("dict[str, Any]", node).items()
            if named or key != "title"
        }

    schema: dict[str, Any] = strip(model.model_json_schema(mode=mode))
    schema.pop("description", None)
    return schema
