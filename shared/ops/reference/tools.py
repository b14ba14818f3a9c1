"""`docs/tools.md`: what each server offers to programs: tools, resources, prompts and completions."""

from collections.abc import Iterator

import servers
from shared.core.server import Server
from shared.core.tool import Effect, Tool
from shared.ops.reference.table import NOTE, cell, table


def page() -> Iterator[str]:
    yield f"# Tools\n\n{NOTE}"
    for server in servers.over_mcp():
        yield f"## {server.name} {server.version}\n\n{server.instructions}\n"
        yield from table(("tool", "effect", "scopes", "what the model reads"), map(_tool, server.tools.tools.values()))
        yield from _resources(server)
        yield from _prompts(server)


def _tool(tool: Tool) -> tuple[str, ...]:
    effect = "reads" if tool.effect is Effect.READ else f"writes ({tool.risk} risk)"
    return f"`{tool.name}`", effect, " ".join(tool.scopes), cell(tool.description)


def _resources(server: Server) -> Iterator[str]:
    rows = (
        (f"`{uri}`", " ".join(one.tool.scopes), "yes" if one.watchable else "", cell(one.tool.description))
        for uri, one in server.tools.resources.items()
    )
    yield from table(("resource", "scopes", "subscribe", "what it is"), rows)


def _prompts(server: Server) -> Iterator[str]:
    """Prompts, and what clients can ask completions for."""
    prompts = [
        (
            f"`{name}` {prompt.version}",
            _arguments(prompt.tool),
            " ".join(prompt.tool.scopes),
            cell(prompt.tool.description),
        )
        for name, prompt in server.tools.prompts.items()
    ]
    if prompts:
        yield from table(("prompt", "arguments", "scopes", "what it is for"), prompts)
    completed = [
        (f"`{argument}`", " ".join(tool.scopes), cell(tool.description))
        for argument, tool in server.tools.completions.items()
    ]
    if completed:
        yield from table(("argument that is completed", "scopes", "with what"), completed)


def _arguments(tool: Tool) -> str:
    return " ".join(f"`{name}`" for name in tool.arguments.model_fields)
