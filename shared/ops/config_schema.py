"""The settings as JSON Schema, for editors and for whatever writes environments."""

from typing import Any

from pydantic import AliasChoices, BaseModel

from shared.core.settings import Settings

Schema = dict[str, Any]


def schema() -> Schema:
    """JSON Schema (2020-12) of an object from variables to values, as they are once read: numbers are numbers."""
    whole = Settings.model_json_schema(by_alias=False)
    properties: Schema = {}
    patterns: Schema = {}
    for name, known in Settings.model_fields.items():
        one, variable = whole["properties"][name], f"SUITE_{name.upper()}"
        alias = known.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [variable]
        properties |= {str(each): one for each in names}
        if isinstance(known.annotation, type) and issubclass(known.annotation, BaseModel):
            parts = whole["$defs"][known.annotation.__name__]["properties"]
            properties |= {f"{variable}__{part.upper()}": value for part, value in parts.items()}
        elif one.get("type") == "object":
            patterns[f"^{variable}__[A-Z0-9_.-]+$"] = {"description": one.get("description", "")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of mcp-suite",
        "type": "object",
        "properties": {name: _plain(one) for name, one in properties.items()},
        "patternProperties": patterns,
        "additionalProperties": False,
        "$defs": whole["$defs"],
    }


def _plain(one: Schema) -> Schema:
    """Without defaults that are of this machine alone."""
    return {key: value for key, value in one.items() if not (key == "default" and str(value).startswith("/"))}
