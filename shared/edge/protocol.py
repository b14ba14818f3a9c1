"""Where the pipeline meets MCP: lists, calls, reads, prompts, completion and errors, on the SDK's low-level `Server`.

Both eras come through here. A failure of business is a result with `isError` and a typed error object; unknown
names and bad cursors are `-32602`; nothing else that went wrong shows its text (the 2025 leg of the SDK would).
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

import mcp_types as types
import orjson
import structlog
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server as SdkServer
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp_types.version import MODERN_PROTOCOL_VERSIONS, is_version_at_least

from shared.core import tracing
from shared.core.asking import Asked
from shared.core.caller import Caller
from shared.core.errors import (
    CannotAsk,
    Failure,
    Internal,
    Invalid,
    InvalidCursor,
    NeedsApproval,
    NotFound,
    SuiteError,
    UnknownTarget,
)
from shared.core.request import Kind, Progress, Request
from shared.core.server import Server
from shared.core.work import GET
from shared.edge import awaiting, reading, rounds, tasks
from shared.edge.boundary import boundary, has_status
from shared.edge.deliveries import Deliveries
from shared.edge.describe import describe, describe_prompt, describe_template
from shared.edge.exchange import ON_BEHALF
from shared.edge.kept import Keeping
from shared.edge.results import answered, failed, listed, prompted
from shared.edge.shortcut import Shortcut
from shared.edge.subscriptions import Subscriptions
from shared.edge.uris import Uris
from shared.edge.watch import Context, Watch
from shared.pipeline import Pipeline
from shared.state.keys import KeyRing

log = structlog.get_logger("protocol")

CallerOf = Callable[[Context], Caller]
ResultT = TypeVar("ResultT")

HANDLED = "suite.handled"
"""Key of the ASGI scope that tells that a handler took the request: from there on there is a record."""

_LISTS_FRESH_MS = 300_000
_RESOURCE_NOT_FOUND_2025 = -32002
_LINKS_SINCE = "2025-06-18"


class Protocol:
    """The handlers of one server.

    Args:
        server: What is served.
        pipeline: What every call passes.
        caller_of: Who calls, by the request's context.
        transport: `http` or `stdio`.
        states: Seals what a client keeps for us between two rounds of one call.
        ask_s: Seconds that a user has for an answer, where the call waits for it.
    """

    def __init__(
        self, server: Server, pipeline: Pipeline, caller_of: CallerOf, transport: str, states: KeyRing, ask_s: float
    ) -> None:
        self._server = server
        self._states = states
        self._ask_s = ask_s
        self._pipeline = pipeline
        self._caller_of = caller_of
        self._transport = cast("Any", transport)
        self._tools = {name: describe(tool) for name, tool in server.tools.tools.items()}
        self._uris = Uris(server.tools.resources)

    def build(self) -> SdkServer[Any]:
        """The SDK's server with every handler behind a boundary, watched by us instead of by the SDK."""
        fresh = CacheHint(ttl_ms=_LISTS_FRESH_MS, scope="private")
        call_tool = boundary(self.call_tool)
        sdk: SdkServer[Any] = SdkServer(
            self._server.name,
            version=self._server.version,
            title=self._server.title,
            instructions=self._server.instructions,
            cache_hints={
                "server/discover": CacheHint(ttl_ms=_LISTS_FRESH_MS, scope="public"),
                "tools/list": fresh,
                # What a listing finds changes while we run, and nobody is told.
                "resources/list": CacheHint() if self._server.tools.lists else fresh,
                "resources/templates/list": fresh,
                "prompts/list": fresh,
            },
            # None of our schemas mirrors arguments into headers; without this every call would walk tools/list.
            get_tool_input_schema=lambda _name: None,
            on_list_tools=boundary(self.list_tools),
            on_call_tool=cast("Any", call_tool),  # a dict is as good as a model, though its type does not say so
            on_list_resources=boundary(self.list_resources),
            on_list_resource_templates=boundary(self.list_templates),
            on_read_resource=boundary(self.read_resource),
            on_list_prompts=boundary(self.list_prompts),
            on_get_prompt=boundary(self.get_prompt),
            on_completion=boundary(self.complete),
        )
        watch = Watch(self._server, sdk, self._transport, self._pipeline.slow_call_s)
        # Sealing is outside the shortcut, whose results may ask too.
        sealing = rounds.boundary(self._states, self._server.name, self._principal)
        sdk.middleware[:] = [watch, sealing, Shortcut(call_tool, sdk)]
        tasks.Tasks(self._server, self._pipeline, self._caller_of, self._request).offer(sdk)
        return sdk

    def offer_subscriptions(self, sdk: SdkServer[Any], deliveries: Deliveries, keeping: Keeping, most: int) -> None:
        """Let clients subscribe to resources and jobs, if any can be watched: at most so many a stream or session."""
        watchable = any(resource.watchable for resource in self._server.tools.resources.values())
        jobs = self._server.tools.tools[GET] if self._server.work else None
        if watchable or jobs:
            told = replace(deliveries, jobs=jobs)
            offered = Subscriptions(self._pipeline, told, keeping, self._caller_of, self._request, most)
            offered.offer(sdk, resources=watchable, has_tasks=tasks.offered(self._server))

    async def list_tools(self, context: Context, params: Any, reference: str) -> types.ListToolsResult:
        request = self._request(context, "list", "tools/list", _page(params), reference)
        names = await self._pipeline.catalogue(request, self._caller_of(context), self._server.tools.tools)
        return types.ListToolsResult(tools=[self._tools[name] for name in names])

    async def list_resources(self, context: Context, params: Any, reference: str) -> types.ListResourcesResult:
        """What the server's listing finds. Without one, or for a caller who may not use it, nothing: what there is to
        read is found by searching and named by templates.
        """
        request = self._request(context, "list", "resources/list", _page(params), reference)
        caller, listing = self._caller_of(context), self._server.tools.lists
        if listing is None or not self._pipeline.shows(self._server.name, caller, listing):
            await self._pipeline.catalogue(request, caller, {})
            return types.ListResourcesResult(resources=[])
        try:
            return listed(await self._pipeline.call(request, caller, listing))
        except Invalid:  # there is nothing but the cursor to be wrong
            raise InvalidCursor from None

    async def list_templates(self, context: Context, params: Any, reference: str) -> types.ListResourceTemplatesResult:
        request = self._request(context, "list", "resources/templates/list", _page(params), reference)
        resources = {uri: resource.tool for uri, resource in self._server.tools.resources.items()}
        shown = await self._pipeline.catalogue(request, self._caller_of(context), resources)
        templates = [describe_template(self._server.tools.resources[uri]) for uri in shown]
        return types.ListResourceTemplatesResult(resource_templates=templates)

    async def call_tool(self, context: Context, params: types.CallToolRequestParams, reference: str) -> dict[str, Any]:
        """One call; where its tool asks the caller's user, one round of it (2026), or all of them (2025)."""
        try:
            return await self._rounds(context, params, reference)
        except Failure as failure:
            if has_status(context, failure):
                raise  # clients read nothing but JSON-RPC errors from a 403 or 429
            if isinstance(failure, NeedsApproval) and tasks.declares(context) and awaiting.waits(failure):
                return awaiting.created(failure)
            return failed(failure, reference)
        except (SuiteError, MCPError):
            raise
        except Exception:  # the boundary: the model gets a reference, the log the traceback
            log.exception("tool crashed", tool=params.name, request_id=reference)
            return failed(Internal(), reference)

    async def _rounds(self, context: Context, params: types.CallToolRequestParams, reference: str) -> dict[str, Any]:
        modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
        sofar, can_ask = rounds.Rounds.of(params), rounds.can_ask(context)
        refusal: CannotAsk | None = None
        while True:
            try:
                return await self._round(context, params, reference, sofar, can_ask=can_ask)
            except Asked as asked:
                if refusal is not None:
                    raise refusal from None
                rounds.check(context, sofar, modern=modern)
                if modern:
                    return sofar.required(asked.question)
                try:
                    sofar = sofar.another(await rounds.ask(context, asked, self._ask_s))
                except CannotAsk as cannot:
                    # It said that it can. What policy asks is asked at the console instead; what a tool asks is not.
                    refusal, can_ask = cannot, False

    async def _round(
        self,
        context: Context,
        params: types.CallToolRequestParams,
        reference: str,
        sofar: rounds.Rounds,
        *,
        can_ask: bool,
    ) -> dict[str, Any]:
        request = replace(
            self._request(context, "tool", params.name, params.arguments or {}, reference),
            answers=sofar.answers,
            round_id=sofar.id,
            progress=_progress(context),
            can_ask=can_ask,
        )
        tool = self._server.tools.tools.get(params.name)
        answer = await self._pipeline.call(request, self._caller_of(context), tool)
        if params.name in self._server.work and tasks.declares(context) and not request.arguments.get("dry_run"):
            return tasks.created(answer)
        knows_links = is_version_at_least(context.protocol_version, _LINKS_SINCE)
        assert tool is not None, "what is no tool is an unknown target"  # noqa: S101 - an invariant
        return answered(answer, tool.links if knows_links else None, tool.deprecated)

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams, reference: str
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        resource, arguments = self._uris.match(uri)
        arguments = reading.conditional(resource, arguments, params.meta)
        request = self._request(context, "resource", uri, arguments, reference)
        try:
            answer = await self._pipeline.call(request, self._caller_of(context), resource.tool if resource else None)
        except (UnknownTarget, NotFound, Invalid) as error:
            if isinstance(error, Invalid) and (told := reading.spoilt(resource, arguments)):
                raise MCPError(types.INVALID_PARAMS, told.message, told.as_object(reference)) from None
            # One answer for what is missing, malformed, hidden or another tenant's.
            legacy = context.protocol_version not in MODERN_PROTOCOL_VERSIONS
            code = _RESOURCE_NOT_FOUND_2025 if legacy else types.INVALID_PARAMS
            raise MCPError(code, "Resource not found", {"uri": uri}) from None
        assert resource is not None, "what has no resource is an unknown target"  # noqa: S101 - an invariant
        return reading.read(uri, resource, answer)

    async def list_prompts(self, context: Context, params: Any, reference: str) -> types.ListPromptsResult:
        request = self._request(context, "list", "prompts/list", _page(params), reference)
        prompts = {name: prompt.tool for name, prompt in self._server.tools.prompts.items()}
        shown = await self._pipeline.catalogue(request, self._caller_of(context), prompts)
        return types.ListPromptsResult(prompts=[describe_prompt(self._server.tools.prompts[name]) for name in shown])

    async def get_prompt(
        self, context: Context, params: types.GetPromptRequestParams, reference: str
    ) -> types.GetPromptResult:
        request = self._request(context, "prompt", params.name, params.arguments or {}, reference)
        prompt = self._server.tools.prompts.get(params.name)
        with _invalid_params(reference):
            answer = await self._pipeline.call(request, self._caller_of(context), prompt.tool if prompt else None)
        return prompted(answer, prompt)

    async def complete(
        self, context: Context, params: types.CompleteRequestParams, reference: str
    ) -> types.CompleteResult:
        """Values for an argument by its name; an argument without completion has none, an unknown reference fails."""
        argument = params.argument.name
        where, named = self._completes(params.ref, self._caller_of(context))
        begun: dict[str, Any] = {"value": params.argument.value}
        if params.context is not None and params.context.arguments:
            begun["context"] = params.context.arguments
        request = self._request(context, "completion", f"{where}#{argument}", begun, reference)
        tool = self._server.tools.completions.get(argument) if argument in named else None
        if tool is None and named:
            await self._pipeline.catalogue(request, self._caller_of(context), {})
            return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))
        with _invalid_params(reference):
            shown = (await self._pipeline.call(request, self._caller_of(context), tool)).value
        return types.CompleteResult(completion=types.Completion(values=shown["values"], has_more=shown["has_more"]))

    def _completes(
        self, ref: types.PromptReference | types.ResourceTemplateReference, caller: Caller
    ) -> tuple[str, list[str]]:
        """What is referred to, and the names of its arguments; none if there is no such thing for this caller."""
        if isinstance(ref, types.PromptReference):
            prompt = self._server.tools.prompts.get(ref.name)
            known = prompt is not None and self._pipeline.shows(self._server.name, caller, prompt.tool)
            return ref.name, list(prompt.tool.arguments.model_fields) if prompt and known else []
        resource = self._server.tools.resources.get(ref.uri)
        known = resource is not None and self._pipeline.shows(self._server.name, caller, resource.tool)
        return ref.uri, UriTemplate.parse(ref.uri).variable_names if known else []

    def _principal(self, context: Context) -> str:
        """Whose request state it is: of nobody else, and of no other client of theirs."""
        caller = self._caller_of(context)
        return orjson.dumps([caller.issuer, caller.subject, caller.client, caller.tenant]).decode()

    def _request(self, context: Context, kind: Kind, name: str, arguments: dict[str, Any], reference: str) -> Request:
        http = context.request
        if http is not None:
            http.scope[HANDLED] = True
        watched = tracing.current()
        return Request(
            server=self._server.name,
            kind=kind,
            name=name,
            arguments=arguments,
            request_id=reference,
            era=context.protocol_version,
            transport=self._transport,
            client_address=http.client.host if http is not None and http.client else None,
            agent=http.headers.get("user-agent", "")[:256] if http is not None else None,
            trace_id=watched.trace_id if watched else None,
            on_behalf=http.scope.get(ON_BEHALF) if http is not None else None,
        )


@contextmanager
def _invalid_params(reference: str) -> Generator[None]:
    """Say of what is wrong with an argument what it is, where there is no result to say it in."""
    try:
        yield
    except (Invalid, NotFound) as failure:
        raise MCPError(types.INVALID_PARAMS, failure.message, failure.as_object(reference)) from None


def _progress(context: Context) -> Progress | None:
    """How to tell the client of progress, if it said where (MCP, basic/patterns/progress)."""
    return context.session.report_progress if context.meta and "progress_token" in context.meta else None


def _page(params: Any) -> dict[str, Any]:
    return {} if params is None or params.cursor is None else {"cursor": params.cursor}
