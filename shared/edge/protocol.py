"""Where the pipeline meets MCP: a handler for each method, on the SDK's low-level `Server`.

Calls, reads and prompts are here; `lists.py`, `completing.py`, `tasks.py` and `subscriptions.py` have the rest, and
`entrance.py` what all go in by. Both eras come through here. A failure of business is a result with `isError` and a
typed error object; unknown names and bad cursors are `-32602`; nothing else that went wrong shows its text (the 2025
leg of the SDK would).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import mcp_types as types
import orjson
import structlog
from mcp.server.lowlevel import Server as SdkServer
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS, is_version_at_least

from shared.core.asking import Asked
from shared.core.caller import Caller
from shared.core.errors import (
    CannotAsk,
    Failure,
    Internal,
    Invalid,
    NeedsApproval,
    NotFound,
    SuiteError,
    UnknownTarget,
)
from shared.core.request import Progress, Transport
from shared.core.server import Server
from shared.core.work import GET
from shared.edge import awaiting, reading, rounds, tasks
from shared.edge.boundary import boundary, has_status, invalid_params
from shared.edge.completing import Completing
from shared.edge.deliveries import Deliveries
from shared.edge.entrance import Entrance
from shared.edge.kept import Keeping
from shared.edge.lists import Lists
from shared.edge.results import answered, failed, prompted
from shared.edge.shortcut import Shortcut
from shared.edge.subscriptions import Subscriptions
from shared.edge.uris import Uris
from shared.edge.watch import Context, Watch
from shared.pipeline import Pipeline
from shared.state.keys import KeyRing

log = structlog.get_logger("protocol")

_LINKS_SINCE = "2025-06-18"


class Protocol:
    """The handlers of one server.

    Args:
        server: What is served.
        pipeline: What every request passes.
        caller_of: Who asks, by the request's context.
        transport: What requests come over.
        states: Seals what a client keeps for us between two rounds of one call.
        ask_s: Seconds that a user has for an answer, where the call waits for it.
    """

    def __init__(
        self,
        server: Server,
        pipeline: Pipeline,
        caller_of: Callable[[Context], Caller],
        transport: Transport,
        states: KeyRing,
        ask_s: float,
    ) -> None:
        self._server = server
        self._pipeline = pipeline
        self._caller_of = caller_of
        self._entrance = Entrance(server, pipeline, caller_of, transport)
        self._states = states
        self._ask_s = ask_s
        self._uris = Uris(server.tools.resources)

    def build(self) -> SdkServer[Any]:
        """The SDK's server with every handler behind a boundary, watched by us instead of by the SDK."""
        call_tool = boundary(self.call_tool)
        lists = Lists(self._entrance)
        sdk: SdkServer[Any] = SdkServer(
            self._server.name,
            version=self._server.version,
            title=self._server.title,
            instructions=self._server.instructions,
            cache_hints=lists.cache_hints(),
            # None of our schemas mirrors arguments into headers; without this every call would walk tools/list.
            get_tool_input_schema=lambda _name: None,
            on_list_tools=boundary(lists.tools),
            on_call_tool=cast("Any", call_tool),  # a dict is as good as a model, though its type does not say so
            on_list_resources=boundary(lists.resources),
            on_list_resource_templates=boundary(lists.templates),
            on_read_resource=boundary(self.read_resource),
            on_list_prompts=boundary(lists.prompts),
            on_get_prompt=boundary(self.get_prompt),
            on_completion=boundary(Completing(self._entrance).complete),
        )
        watch = Watch(self._server, sdk, self._entrance.transport, self._pipeline.slow_call_s)
        # Sealing is outside the shortcut, whose results may ask too.
        sealing = rounds.boundary(self._states, self._server.name, self._principal)
        sdk.middleware[:] = [watch, sealing, Shortcut(call_tool, sdk)]
        tasks.Tasks(self._entrance).offer(sdk)
        return sdk

    def offer_subscriptions(self, sdk: SdkServer[Any], deliveries: Deliveries, keeping: Keeping, most: int) -> None:
        """Let clients subscribe to resources and jobs, if any can be watched: at most so many a stream or session."""
        watchable = any(resource.watchable for resource in self._server.tools.resources.values())
        jobs = self._server.tools.tools[GET] if self._server.work else None
        if watchable or jobs:
            offered = Subscriptions(self._entrance, replace(deliveries, jobs=jobs), keeping, most)
            offered.offer(sdk, resources=watchable, has_tasks=tasks.offered(self._server))

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
            self._entrance.request(context, "tool", params.name, params.arguments or {}, reference),
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
        request = self._entrance.request(context, "resource", uri, arguments, reference)
        try:
            answer = await self._pipeline.call(request, self._caller_of(context), resource.tool if resource else None)
        except (UnknownTarget, NotFound, Invalid) as error:
            if isinstance(error, Invalid) and (told := reading.spoilt(resource, arguments)):
                raise MCPError(types.INVALID_PARAMS, told.message, told.as_object(reference)) from None
            legacy = context.protocol_version not in MODERN_PROTOCOL_VERSIONS
            raise reading.missing(uri, legacy=legacy) from None
        assert resource is not None, "what has no resource is an unknown target"  # noqa: S101 - an invariant
        return reading.read(uri, resource, answer)

    async def get_prompt(
        self, context: Context, params: types.GetPromptRequestParams, reference: str
    ) -> types.GetPromptResult:
        request = self._entrance.request(context, "prompt", params.name, params.arguments or {}, reference)
        prompt = self._server.tools.prompts.get(params.name)
        with invalid_params(reference):
            answer = await self._pipeline.call(request, self._caller_of(context), prompt.tool if prompt else None)
        return prompted(answer, prompt)

    def _principal(self, context: Context) -> str:
        """Whose request state it is: of nobody else, and of no other client of theirs."""
        caller = self._caller_of(context)
        return orjson.dumps([caller.issuer, caller.subject, caller.client, caller.tenant]).decode()


def _progress(context: Context) -> Progress | None:
    """How to tell the client of progress, if it said where (MCP, basic/patterns/progress)."""
    return context.session.report_progress if context.meta and "progress_token" in context.meta else None
