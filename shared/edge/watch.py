"""Every request, watched from the SDK's outermost place: one span, one log line, and what is counted of it.

In place of the SDK's own middleware, which names spans after whatever the client sent and records exceptions' texts.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import mcp_types as types
import structlog
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server as SdkServer
from mcp.shared.exceptions import MCPError
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from opentelemetry.trace import Link, SpanContext, StatusCode
from pydantic import ValidationError

from shared.core import metrics, tracing
from shared.core.server import Server
from shared.steps.patterns import mask_text

log = structlog.get_logger("watch")

Context = ServerRequestContext[Any, Any]

BEGAN = "suite.began"
"""Key of the ASGI scope: when the edge first saw the request, by `time.perf_counter_ns`."""

_WORDS = {
    types.PARSE_ERROR: "malformed",
    types.INVALID_REQUEST: "invalid_request",
    types.METHOD_NOT_FOUND: "unknown_method",
    types.INVALID_PARAMS: "invalid_params",
    types.INTERNAL_ERROR: "internal",
    types.HEADER_MISMATCH: "header_mismatch",
    types.MISSING_REQUIRED_CLIENT_CAPABILITY: "missing_capability",
    types.UNSUPPORTED_PROTOCOL_VERSION: "unsupported_version",
}
_DOWN = {"unavailable", "outcome_unknown", "unaudited"}
_LIMITED = {"rate_limited", "over_budget", "loop_detected", "shed"}
_STREAMS = {"subscriptions/listen"}
"""Answers that last as long as the client wishes: how long says nothing."""
_UNKNOWN = "unknown"
_OK = "ok"
_NS = 1e9


class Watch:
    """The middleware of one server.

    Args:
        server: Whose names may be told.
        sdk: Knows which methods have a handler.
        transport: `http` or `stdio`.
        slow_s: Answers that took longer are logged as warnings.
    """

    def __init__(self, server: Server, sdk: SdkServer[Any], transport: str, slow_s: float) -> None:
        self._server = server.name
        self._tools = server.tools.tools
        self._deprecated = {name for name, tool in server.tools.tools.items() if tool.deprecated}
        self._prompts = server.tools.prompts
        self._templates = {resource.tool.name: uri for uri, resource in server.tools.resources.items()}
        self._sdk = sdk
        self._network = "pipe" if transport == "stdio" else "tcp"
        self._transport = transport
        self._slow_s = slow_s
        with metrics.IN_FLIGHT.held(server.name):
            pass  # a 0 is told before the first request: autoscaling needs a number of every replica

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        if ctx.request_id is None:  # a notification
            return await call_next(ctx)
        now_ns = time.perf_counter_ns()
        began_ns = now_ns if ctx.request is None else ctx.request.scope.get(BEGAN, now_ns)
        method = ctx.method if ctx.method == "initialize" or self._sdk.get_request_handler(ctx.method) else _UNKNOWN
        target = self._target(method, ctx.params)
        parent = tracing.parent_of(ctx.meta, _says_nothing)
        name = f"{method} {target}" if target else method
        with (
            metrics.IN_FLIGHT.held(self._server),
            tracing.watch(name, parent, began_ns, lambda: self._facts(ctx, method, target)) as watching,
        ):
            watching.watched.target = target
            failed: BaseException | None = None
            try:
                return await call_next(ctx)
            except BaseException as error:  # cancellation too: every request is counted once
                failed = error
                raise
            finally:
                self._end(watching, method, ctx.protocol_version, failed, (time.perf_counter_ns() - began_ns) / _NS)

    def _target(self, method: str, params: Mapping[str, Any] | None) -> str:
        """The tool or prompt that is meant, if it is one of ours: anything else could be said in a name."""
        known: Mapping[str, Any] = {"tools/call": self._tools, "prompts/get": self._prompts}.get(method, {})
        name = params.get("name") if known and params else None
        return name if isinstance(name, str) and name in known else ""

    def _facts(self, ctx: Context, method: str, target: str) -> tuple[dict[str, str | int], Sequence[Link]]:
        """Attributes by the semantic conventions for MCP (OpenTelemetry, `gen-ai/mcp`), and the HTTP span."""
        facts: dict[str, str | int] = {
            "mcp.method.name": method,
            "network.transport": self._network,
            "suite.server": self._server,
        }
        if ctx.protocol_version in KNOWN_PROTOCOL_VERSIONS:
            facts["mcp.protocol.version"] = ctx.protocol_version
        if isinstance(ctx.request_id, int):  # text could be anything
            facts["jsonrpc.request.id"] = mask_text(str(ctx.request_id), contact=True)[0]
        if method == "tools/call":
            facts["gen_ai.operation.name"] = "execute_tool"
        if target:
            facts["gen_ai.tool.name" if method == "tools/call" else "gen_ai.prompt.name"] = target
        http = tracing.parent_of(ctx.request.headers) if ctx.request is not None else None
        return facts, [Link(http)] if isinstance(http, SpanContext) else []

    def _end(
        self, watching: tracing.Watching, method: str, era: str, failed: BaseException | None, seconds: float
    ) -> None:
        watched = watching.watched
        outcome = watched.outcome or _outcome(failed)
        if method in _STREAMS:
            watched.target = method  # not the last of what it was about
        target = watched.target or (method if method != "tools/call" else _UNKNOWN)
        self._count(target, outcome, era if era in KNOWN_PROTOCOL_VERSIONS else _UNKNOWN, seconds)
        if watching.span is not None:
            self._describe(watching, method, outcome, failed)
        slow = {"slow": True} if seconds > self._slow_s and method not in _STREAMS else {}
        say = log.warning if slow or outcome in _DOWN else log.info
        say(
            "call",
            server=self._server,
            method=method,
            target=target,
            outcome=outcome,
            duration_ms=round(seconds * 1000, 1),
            tenant=watched.tenant,
            transport=self._transport,
            **slow,
        )

    def _count(self, target: str, outcome: str, era: str, seconds: float) -> None:
        metrics.REQUESTS.add(self._server, target, outcome, era)
        if target in self._deprecated:
            metrics.DEPRECATED_CALLS.add(self._server, target)
        if target not in _STREAMS:
            metrics.REQUEST_S.observe(seconds, self._server, target)
        if outcome == "forbidden":
            metrics.SCOPE_FAILURES.add(self._server, target)
        elif outcome in _LIMITED:
            metrics.RATE_LIMITED.add(self._server)

    def _describe(self, watching: tracing.Watching, method: str, outcome: str, failed: BaseException | None) -> None:
        span, watched = watching.span, watching.watched
        assert span is not None, "only recorded requests are described"  # noqa: S101 - an invariant
        span.set_attributes(
            {"suite.outcome": outcome, "suite.request_id": watched.request_id, "suite.tenant": watched.tenant}
        )
        if watched.target in self._templates:
            span.set_attribute("mcp.resource.uri", self._templates[watched.target])
        if isinstance(failed, MCPError):
            code = str(failed.error.code)
            span.set_attributes({"error.type": code, "rpc.response.status_code": code})
        elif outcome != _OK:
            span.set_attribute("error.type", "tool_error" if method == "tools/call" and failed is None else outcome)
        if outcome != _OK:
            span.set_status(StatusCode.ERROR)


def _outcome(failed: BaseException | None) -> str:
    """One word for a request that left no record of its own."""
    match failed:
        case None:
            return _OK
        case MCPError():
            return _WORDS.get(failed.error.code, "refused")
        case ValidationError():
            return "invalid_params"
        case Exception():
            return "internal"
        case _:
            return "cancelled"


def _says_nothing(state: str) -> bool:
    """Whether a vendor's trace state holds nothing we would hide."""
    return mask_text(state, contact=True)[0] == state
