"""Where the pipeline meets MCP: lists, calls, reads, prompts, completion and errors, on the SDK's low-level `Server`.

Both eras come through here. A failure of business is a result with `isError` and a typed error object; unknown
names and bad cursors are `-32602`; nothing else that went wrong shows its text (the 2025 leg of the SDK would).
"""

import secrets
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast

import mcp_types as types
import orjson
import structlog
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server as SdkServer
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from shared.core import tracing
from shared.core.caller import Caller
from shared.core.errors import (
    Failure,
    Forbidden,
    Internal,
    Invalid,
    InvalidCursor,
    NotFound,
    SuiteError,
    UnknownTarget,
)
from shared.core.request import Kind, Request
from shared.core.server import Server
from shared.core.tool import Resource
from shared.edge.describe import describe, describe_prompt, describe_template
from shared.edge.results import answered, failed, prompted, told
from shared.edge.shortcut import Shortcut
from shared.edge.watch import Context, Watch
from shared.pipeline import Pipeline

log = structlog.get_logger("protocol")

CallerOf = Callable[[Context], Caller]
ResultT = TypeVar("ResultT")

CHALLENGE = "suite.challenge"
"""Key of the ASGI scope where a handler leaves the `Forbidden` that the HTTP edge turns into a 403."""

_LISTS_FRESH_MS = 300_000
_RESOURCE_NOT_FOUND_2025 = -32002
# JSON-RPC leaves codes outside -32768..-32000 to applications; these read as their HTTP cousins do.
_CODES = {"forbidden": 403, "conflict": 409, "rate_limited": 429, "unavailable": 503, "timeout": 504}


class Protocol:
    """The handlers of one server."""

    def __init__(self, server: Server, pipeline: Pipeline, caller_of: CallerOf, transport: str) -> None:
        self._server = server
        self._pipeline = pipeline
        self._caller_of = caller_of
        self._transport = cast("Any", transport)
        self._tools = {name: describe(tool) for name, tool in server.tools.tools.items()}
        self._templates = [
            (UriTemplate.parse(resource.uri_template), resource) for resource in server.tools.resources.values()
        ]

    def build(self) -> SdkServer[Any]:
        """The SDK's server with every handler behind a boundary, watched by us instead of by the SDK."""
        fresh = CacheHint(ttl_ms=_LISTS_FRESH_MS, scope="private")
        call_tool = _boundary(self.call_tool)
        sdk: SdkServer[Any] = SdkServer(
            self._server.name,
            version=self._server.version,
            title=self._server.title,
            instructions=self._server.instructions,
            cache_hints={
                "server/discover": CacheHint(ttl_ms=_LISTS_FRESH_MS, scope="public"),
                "tools/list": fresh,
                "resources/list": fresh,
                "resources/templates/list": fresh,
                "prompts/list": fresh,
            },
            # None of our schemas mirrors arguments into headers; without this every call would walk tools/list.
            get_tool_input_schema=lambda _name: None,
            on_list_tools=_boundary(self.list_tools),
            on_call_tool=cast("Any", call_tool),  # a dict is as good as a model, though its type does not say so
            on_list_resources=_boundary(self.list_resources),
            on_list_resource_templates=_boundary(self.list_templates),
            on_read_resource=_boundary(self.read_resource),
            on_list_prompts=_boundary(self.list_prompts),
            on_get_prompt=_boundary(self.get_prompt),
            on_completion=_boundary(self.complete),
        )
        watch = Watch(self._server, sdk, self._transport, self._pipeline.slow_call_s)
        sdk.middleware[:] = [watch, Shortcut(call_tool, sdk)]
        return sdk

    async def list_tools(self, context: Context, params: Any, reference: str) -> types.ListToolsResult:
        request = self._request(context, "list", "tools/list", _page(params), reference)
        names = await self._pipeline.catalogue(request, self._caller_of(context), self._server.tools.tools)
        return types.ListToolsResult(tools=[self._tools[name] for name in names])

    async def list_resources(self, context: Context, params: Any, reference: str) -> types.ListResourcesResult:
        """Empty: what there is to read is found by searching and named by templates."""
        request = self._request(context, "list", "resources/list", _page(params), reference)
        await self._pipeline.catalogue(request, self._caller_of(context), {})
        return types.ListResourcesResult(resources=[])

    async def list_templates(self, context: Context, params: Any, reference: str) -> types.ListResourceTemplatesResult:
        request = self._request(context, "list", "resources/templates/list", _page(params), reference)
        resources = {uri: resource.tool for uri, resource in self._server.tools.resources.items()}
        shown = await self._pipeline.catalogue(request, self._caller_of(context), resources)
        templates = [describe_template(self._server.tools.resources[uri]) for uri in shown]
        return types.ListResourceTemplatesResult(resource_templates=templates)

    async def call_tool(self, context: Context, params: types.CallToolRequestParams, reference: str) -> dict[str, Any]:
        request = self._request(context, "tool", params.name, params.arguments or {}, reference)
        tool = self._server.tools.tools.get(params.name)
        try:
            answer = await self._pipeline.call(request, self._caller_of(context), tool)
        except Forbidden as failure:
            if context.request is not None:
                raise  # becomes a 403, and clients read nothing but JSON-RPC errors from those
            return failed(failure, reference)
        except Failure as failure:
            return failed(failure, reference)
        except SuiteError:
            raise
        except Exception:  # the boundary: the model gets a reference, the log the traceback
            log.exception("tool crashed", tool=params.name, request_id=reference)
            return failed(Internal(), reference)
        return answered(answer)

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams, reference: str
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        resource, arguments = self._match(uri)
        request = self._request(context, "resource", uri, arguments, reference)
        tool = resource.tool if resource else None
        try:
            answer = await self._pipeline.call(request, self._caller_of(context), tool)
        except (UnknownTarget, NotFound, Invalid):
            # One answer for what is missing, malformed, hidden or another tenant's.
            legacy = context.protocol_version not in MODERN_PROTOCOL_VERSIONS
            code = _RESOURCE_NOT_FOUND_2025 if legacy else types.INVALID_PARAMS
            raise MCPError(code, "Resource not found", {"uri": uri}) from None
        mime_type = resource.mime_type if resource else None
        text = orjson.dumps(answer.value).decode()
        content = types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
        return types.ReadResourceResult(contents=[content], _meta=told(answer))

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
        try:
            answer = await self._pipeline.call(request, self._caller_of(context), prompt.tool if prompt else None)
        except (Invalid, NotFound) as failure:
            raise MCPError(types.INVALID_PARAMS, failure.message, failure.as_object(reference)) from None
        return prompted(answer, prompt)

    async def complete(
        self, context: Context, params: types.CompleteRequestParams, reference: str
    ) -> types.CompleteResult:
        """Values for an argument by its name; an argument without completion has none, an unknown reference fails."""
        argument = params.argument.name
        where, named = self._completes(params.ref)
        request = self._request(
            context, "completion", f"{where}#{argument}", {"value": params.argument.value}, reference
        )
        tool = self._server.tools.completions.get(argument) if argument in named else None
        if tool is None and named:
            await self._pipeline.catalogue(request, self._caller_of(context), {})
            return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))
        answer = await self._pipeline.call(request, self._caller_of(context), tool)
        shown = answer.value
        return types.CompleteResult(completion=types.Completion(values=shown["values"], has_more=shown["has_more"]))

    def _completes(self, ref: types.PromptReference | types.ResourceTemplateReference) -> tuple[str, list[str]]:
        """What is referred to, and the names of its arguments; none if there is no such thing."""
        if isinstance(ref, types.PromptReference):
            prompt = self._server.tools.prompts.get(ref.name)
            return ref.name, list(prompt.tool.arguments.model_fields) if prompt else []
        resource = self._server.tools.resources.get(ref.uri)
        return ref.uri, UriTemplate.parse(ref.uri).variable_names if resource else []

    def _match(self, uri: str) -> tuple[Resource | None, dict[str, Any]]:
        if not uri.isprintable() or " " in uri:  # RFC 3986 §2; arguments lose their blanks, a URI is not repaired
            return None, {}
        for template, resource in self._templates:
            found = template.match(uri)
            if found is not None:
                return resource, dict(found)
        return None, {}

    def _request(self, context: Context, kind: Kind, name: str, arguments: dict[str, Any], reference: str) -> Request:
        http = context.request
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
        )


def _boundary(handler: Callable[[Any, Any, str], Awaitable[ResultT]]) -> Callable[[Any, Any], Awaitable[ResultT]]:
    """Turn our errors into the protocol's, and everything unforeseen into a reference that the log repeats."""

    @wraps(handler)
    async def bounded(context: Context, params: Any) -> ResultT:
        reference = f"req_{secrets.token_hex(8)}"
        tracing.tell(request_id=reference)
        try:
            return await handler(context, params, reference)
        except MCPError:
            raise
        except (UnknownTarget, InvalidCursor) as error:
            raise MCPError(types.INVALID_PARAMS, str(error), {"reference": reference}) from None
        except Failure as failure:
            _challenge(context, failure)
            code = next((_CODES[kind.code] for kind in _lineage(failure) if kind.code in _CODES), None)
            shown = failure.as_object(reference)
            raise MCPError(code or types.INTERNAL_ERROR, failure.message, shown) from None
        except Exception:  # the boundary: the SDK's 2025 leg would send its text
            log.exception("request crashed", method=context.method, request_id=reference)
            shown = Internal().as_object(reference)
            raise MCPError(types.INTERNAL_ERROR, Internal().message, shown) from None

    return bounded


def _lineage(failure: Failure) -> list[type[Failure]]:
    return [kind for kind in type(failure).__mro__ if issubclass(kind, Failure)]


def _challenge(context: Context, failure: Failure) -> None:
    if isinstance(failure, Forbidden) and context.request is not None:
        context.request.scope[CHALLENGE] = failure


def _page(params: Any) -> dict[str, Any]:
    return {} if params is None or params.cursor is None else {"cursor": params.cursor}
