from typing import Any, cast


def members(value: object) -> dict[str, Any]:
    """The members of a JSON object; of anything else there are none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
