"""Tools, templates and prompts as lists show them."""

from typing import Any

import mcp_types as types

from shared.core.tool import Effect, Prompt, Resource, Risk, Tool

VERSION = "enterprise-mcp-suite/version"
"""Key of `_meta` with the version of a prompt."""

INVERSE = "enterprise-mcp-suite/inverse"
"""Key of `_meta` with the tool that takes a call back."""

DEPRECATED = "enterprise-mcp-suite/deprecated"
"""Key of `_meta`, of a tool and of its answers, where it will go: `since`, `sunset`, `reason`, `replacement`."""


_FAILED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "retryable": {"type": "boolean"},
                "reference": {"type": "string"},
                "details": {"type": "object"},
            },
            "required": ["code", "message", "retryable", "reference"],
        }
    },
    "required": ["error"],
}


def describe(tool: Tool) -> types.Tool:
    """The tool as lists show it; the safety hints follow from effect and risk, so that none is forgotten."""
    reads = tool.effect is Effect.READ
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=f"{tool.description} {tool.deprecated.sentence}" if tool.deprecated else tool.description,
        input_schema=tool.input_schema,
        output_schema=_outcome(tool.output_schema),
        annotations=types.ToolAnnotations(
            read_only_hint=reads,
            destructive_hint=not reads and tool.risk is not Risk.LOW,
            idempotent_hint=reads,
            open_world_hint=tool.open_world,
        ),
        _meta=_meta(tool) or None,
    )


def _meta(tool: Tool) -> dict[str, Any]:
    inverse = {INVERSE: tool.inverse} if tool.inverse else {}
    return inverse | ({DEPRECATED: tool.deprecated.told()} if tool.deprecated else {})


def _outcome(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer or the failure: TypeScript clients hold results with `isError` against the schema too, and say
    what does not fit it in place of what went wrong.
    """
    shared = {"$defs": answer["$defs"]} if "$defs" in answer else {}
    own = {key: value for key, value in answer.items() if key != "$defs"}
    return {"type": "object", **shared, "anyOf": [own, _FAILED]}


def describe_template(resource: Resource) -> types.ResourceTemplate:
    """The resource template as lists show it; without a MIME type where its resources differ in theirs."""
    return types.ResourceTemplate(
        name=resource.tool.name,
        title=resource.tool.title,
        description=resource.tool.description,
        uri_template=resource.uri_template,
        mime_type=resource.mime_type,
    )


def describe_prompt(prompt: Prompt) -> types.Prompt:
    """The prompt as lists show it."""
    fields = prompt.tool.arguments.model_fields
    return types.Prompt(
        name=prompt.tool.name,
        title=prompt.tool.title,
        description=prompt.tool.description,
        arguments=[
            types.PromptArgument(name=name, description=field.description, required=field.is_required())
            for name, field in fields.items()
        ],
        _meta={VERSION: prompt.version},
    )
