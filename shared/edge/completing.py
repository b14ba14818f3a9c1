"""`completion/complete`: values for an argument of a prompt, or for a variable of a resource's URI."""

from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.shared.uri_template import UriTemplate

from shared.core.caller import Caller
from shared.edge.boundary import invalid_params
from shared.edge.entrance import Entrance
from shared.edge.watch import Context


@dataclass(frozen=True)
class Completing:
    """The handler of one server."""

    entrance: Entrance

    async def complete(
        self, context: Context, params: types.CompleteRequestParams, reference: str
    ) -> types.CompleteResult:
        """Values for an argument by its name; an argument without completion has none, an unknown reference fails."""
        pipeline, caller = self.entrance.pipeline, self.entrance.caller_of(context)
        argument = params.argument.name
        where, named = self._referred(params.ref, caller)
        begun: dict[str, Any] = {"value": params.argument.value}
        if params.context is not None and params.context.arguments:
            begun["context"] = params.context.arguments
        request = self.entrance.request(context, "completion", f"{where}#{argument}", begun, reference)
        tool = self.entrance.server.tools.completions.get(argument) if argument in named else None
        if tool is None and named:
            await pipeline.catalogue(request, caller, {})
            return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))
        with invalid_params(reference):
            shown = (await pipeline.call(request, caller, tool)).value
        return types.CompleteResult(completion=types.Completion(values=shown["values"], has_more=shown["has_more"]))

    def _referred(
        self, ref: types.PromptReference | types.ResourceTemplateReference, caller: Caller
    ) -> tuple[str, list[str]]:
        """What is referred to, and the names of its arguments; none if there is no such thing for this caller."""
        server, pipeline = self.entrance.server, self.entrance.pipeline
        if isinstance(ref, types.PromptReference):
            prompt = server.tools.prompts.get(ref.name)
            known = prompt is not None and pipeline.shows(server.name, caller, prompt.tool)
            return ref.name, list(prompt.tool.arguments.model_fields) if prompt and known else []
        resource = server.tools.resources.get(ref.uri)
        known = resource is not None and pipeline.shows(server.name, caller, resource.tool)
        return ref.uri, UriTemplate.parse(ref.uri).variable_names if known else []
