"""What a server declares: an async function becomes a tool, resource, prompt or completion by a decorator."""

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel

from shared.core.errors import Misconfigured
from shared.core.models import Begun, Contents, Listed, Page, PromptAnswer, Suggestions, WriteArguments, holds_links
from shared.core.tool import Effect, Prompt, Resource, Risk, Tool
from shared.core.work import Body, Work

RunT = TypeVar("RunT", bound=Callable[..., Awaitable[BaseModel]])


@dataclass
class Toolset:
    """The tools, resources, prompts and completions of one server, in order of declaration.

    Attributes:
        completions: By the name of the argument they complete, in URI templates and prompts alike.
        lists: What finds the resources there are, page by page, if the server lists any.
        works: What tools begin and do not wait for, by the tool.
    """

    tools: dict[str, Tool] = field(default_factory=dict[str, Tool])
    resources: dict[str, Resource] = field(default_factory=dict[str, Resource])
    prompts: dict[str, Prompt] = field(default_factory=dict[str, Prompt])
    completions: dict[str, Tool] = field(default_factory=dict[str, Tool])
    lists: Tool | None = None
    works: dict[str, Work] = field(default_factory=dict[str, Work])

    def read(self, *scopes: str, **facts: Any) -> Callable[[RunT], RunT]:
        """Declare an async function as a tool that changes nothing."""

        def declare(run: RunT) -> RunT:
            self._add(_tool(run, Effect.READ, scopes, facts))
            return run

        return declare

    def write(self, *scopes: str, risk: Risk, **facts: Any) -> Callable[[RunT], RunT]:
        """Declare an async function as a tool that changes something, once per idempotency key."""

        def declare(run: RunT) -> RunT:
            tool = _tool(run, Effect.WRITE, scopes, {"risk": risk, **facts})
            if not issubclass(tool.arguments, WriteArguments):
                raise Misconfigured(f"{tool.name} writes: its arguments must extend WriteArguments")
            self._add(tool)
            return run

        return declare

    def resource(
        self, uri_template: str, *scopes: str, mime_type: str | None = None, watchable: bool = False
    ) -> Callable[[RunT], RunT]:
        """Declare an async function as the read of every URI that fits `uri_template`; see `Resource`.

        Of several templates that fit a URI, the one declared first reads it. Answers that are no `Contents` are JSON.
        """

        def declare(run: RunT) -> RunT:
            if uri_template in self.resources:
                raise Misconfigured(f"resource {uri_template} is declared twice")
            tool = _tool(run, Effect.READ, scopes, {})
            always = None if issubclass(tool.answer, Contents) else "application/json"
            self.resources[uri_template] = Resource(uri_template, mime_type or always, tool, watchable)
            return run

        return declare

    def listing(self, *scopes: str) -> Callable[[RunT], RunT]:
        """Declare an async function from `Page` to `Listed` as what finds the resources there are."""

        def declare(run: RunT) -> RunT:
            tool = _tool(run, Effect.READ, scopes, {})
            if tool.arguments is not Page or not issubclass(tool.answer, Listed):
                raise Misconfigured(f"listing {tool.name} must take Page and answer with Listed")
            if self.lists is not None:
                raise Misconfigured(f"resources are listed twice, by {self.lists.name} and by {tool.name}")
            self.lists = tool
            return run

        return declare

    def prompt(self, *scopes: str, version: str) -> Callable[[RunT], RunT]:
        """Declare an async function as a prompt; MCP sends all its arguments as strings."""

        def declare(run: RunT) -> RunT:
            tool = _tool(run, Effect.READ, scopes, {})
            if tool.answer is not PromptAnswer:
                raise Misconfigured(f"prompt {tool.name} must answer with a PromptAnswer")
            if tool.name in self.prompts:
                raise Misconfigured(f"prompt {tool.name} is declared twice")
            self.prompts[tool.name] = Prompt(version, tool)
            return run

        return declare

    def completion(self, argument: str, *scopes: str) -> Callable[[RunT], RunT]:
        """Declare an async function from `Begun` to `Suggestions` as the completion of every `argument` so named."""

        def declare(run: RunT) -> RunT:
            tool = _tool(run, Effect.READ, scopes, {})
            if (tool.arguments, tool.answer) != (Begun, Suggestions):
                raise Misconfigured(f"completion {tool.name} must take Begun and answer with Suggestions")
            if argument in self.completions:
                raise Misconfigured(f"argument {argument} is completed twice")
            self.completions[argument] = tool
            return run

        return declare

    def work(self, tool: str, *, parts: str) -> Callable[[Body], Body]:
        """Declare an async function from `Working` and the tool's arguments as the work that the tool begins.

        Args:
            tool: Begins it with `call.jobs.begin` and answers with the `Job`.
            parts: As `shared.core.work.Work` has it.
        """

        def declare(run: Body) -> Body:
            if tool in self.works:
                raise Misconfigured(f"the work of {tool} is declared twice")
            self.works[tool] = Work(run, parts)
            return run

        return declare

    def _add(self, tool: Tool) -> None:
        if tool.name in self.tools:
            raise Misconfigured(f"tool {tool.name} is declared twice")
        self.tools[tool.name] = tool


def _tool(
    run: Callable[..., Awaitable[BaseModel]], effect: Effect, scopes: tuple[str, ...], facts: dict[str, Any]
) -> Tool:
    name = run.__name__
    description = inspect.getdoc(run)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise Misconfigured(f"{name!r} is no tool name")
    if not description:
        raise Misconfigured(f"{name} needs a docstring: it is what the model reads")
    if not scopes:
        raise Misconfigured(f"{name} needs a scope")
    if not re.fullmatch(r"([a-z][a-z0-9_]{0,63})?", facts.get("uses") or ""):
        raise Misconfigured(f"{name} uses {facts['uses']!r}: name it as tools are named")
    facts["labels"] = frozenset(facts.get("labels", ()))
    hints = get_type_hints(run)
    answer = hints.pop("return")
    hints.pop("call", None)
    (arguments,) = hints.values()
    if (links := facts.get("links")) is not None and not holds_links(answer, links):
        raise Misconfigured(f"{name} links {links!r}: name a field of {answer.__name__} that is a list of Link")
    return Tool(
        name=name,
        description=" ".join(description.split()),
        effect=effect,
        scopes=scopes,
        arguments=arguments,
        answer=answer,
        run=run,
        **facts,
    )
