"""Lists of tools, resources, templates and prompts: what this caller may use, in order of declaration."""

from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheableMethod, CacheHint

from shared.core.errors import Invalid, InvalidCursor
from shared.core.request import Request
from shared.edge.describe import describe, describe_prompt, describe_template
from shared.edge.entrance import Entrance
from shared.edge.results import listed
from shared.edge.watch import Context

_FRESH_MS = 300_000


class Lists:
    """The handlers of one server that list."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._declared = entrance.server.tools
        self._tools = {name: describe(tool) for name, tool in self._declared.tools.items()}

    def cache_hints(self) -> Mapping[CacheableMethod, CacheHint]:
        """How long clients may keep what they are told, by method; what depends on the caller is for nobody else."""
        fresh = CacheHint(ttl_ms=_FRESH_MS, scope="private")
        return {
            "server/discover": CacheHint(ttl_ms=_FRESH_MS, scope="public"),
            "tools/list": fresh,
            # What a listing finds changes while we run, and nobody is told.
            "resources/list": CacheHint() if self._declared.lists else fresh,
            "resources/templates/list": fresh,
            "prompts/list": fresh,
        }

    async def tools(self, context: Context, params: Any, reference: str) -> types.ListToolsResult:
        request = self._request(context, "tools/list", params, reference)
        caller = self._entrance.caller_of(context)
        names = await self._entrance.pipeline.catalogue(request, caller, self._declared.tools)
        return types.ListToolsResult(tools=[self._tools[name] for name in names])

    async def resources(self, context: Context, params: Any, reference: str) -> types.ListResourcesResult:
        """What the server's listing finds. Without one, or for a caller who may not use it, nothing: what there is to
        read is found by searching and named by templates.
        """
        request = self._request(context, "resources/list", params, reference)
        pipeline, caller, listing = self._entrance.pipeline, self._entrance.caller_of(context), self._declared.lists
        if listing is None or not pipeline.shows(self._entrance.server.name, caller, listing):
            await pipeline.catalogue(request, caller, {})
            return types.ListResourcesResult(resources=[])
        try:
            return listed(await pipeline.call(request, caller, listing))
        except Invalid:  # there is nothing but the cursor to be wrong
            raise InvalidCursor from None

    async def templates(self, context: Context, params: Any, reference: str) -> types.ListResourceTemplatesResult:
        request = self._request(context, "resources/templates/list", params, reference)
        resources = {uri: resource.tool for uri, resource in self._declared.resources.items()}
        shown = await self._entrance.pipeline.catalogue(request, self._entrance.caller_of(context), resources)
        templates = [describe_template(self._declared.resources[uri]) for uri in shown]
        return types.ListResourceTemplatesResult(resource_templates=templates)

    async def prompts(self, context: Context, params: Any, reference: str) -> types.ListPromptsResult:
        request = self._request(context, "prompts/list", params, reference)
        prompts = {name: prompt.tool for name, prompt in self._declared.prompts.items()}
        shown = await self._entrance.pipeline.catalogue(request, self._entrance.caller_of(context), prompts)
        return types.ListPromptsResult(prompts=[describe_prompt(self._declared.prompts[name]) for name in shown])

    def _request(self, context: Context, method: str, params: Any, reference: str) -> Request:
        page = {} if params is None or params.cursor is None else {"cursor": params.cursor}
        return self._entrance.request(context, "list", method, page, reference)
