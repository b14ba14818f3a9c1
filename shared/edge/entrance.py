"""Where what a client asked for in MCP becomes a request that the pipeline takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.core import tracing
from shared.core.caller import Caller
from shared.core.request import Kind, Request, Transport
from shared.core.server import Server
from shared.edge.watch import Context
from shared.pipeline import Pipeline

HANDLED = "suite.handled"
"""Key of the ASGI scope that tells that a handler took the request: from there on there is a record."""
ON_BEHALF = "suite.on_behalf"
"""Key of the ASGI scope that holds what a tool may do in its caller's name."""

_AGENT_MAX = 256


@dataclass(frozen=True, slots=True)
class Entrance:
    """What every handler of one server goes in by.

    Attributes:
        server: What is served.
        pipeline: What every request passes.
        caller_of: Who asks, by the request's context.
        transport: What the request came over.
    """

    server: Server
    pipeline: Pipeline
    caller_of: Callable[[Context], Caller]
    transport: Transport

    def request(self, context: Context, kind: Kind, name: str, arguments: dict[str, Any], reference: str) -> Request:
        """What is asked for, and from where; `reference` is how we name it in logs, audit and errors."""
        http = context.request
        if http is not None:
            http.scope[HANDLED] = True
        watched = tracing.current()
        return Request(
            server=self.server.name,
            kind=kind,
            name=name,
            arguments=arguments,
            request_id=reference,
            era=context.protocol_version,
            transport=self.transport,
            client_address=http.client.host if http is not None and http.client else None,
            agent=http.headers.get("user-agent", "")[:_AGENT_MAX] if http is not None else None,
            trace_id=watched.trace_id if watched else None,
            on_behalf=http.scope.get(ON_BEHALF) if http is not None else None,
        )
