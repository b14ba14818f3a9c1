from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.core.delegation import OnBehalf

Kind = Literal["tool", "resource", "prompt", "completion", "list", "subscription", "session", "task"]
Transport = Literal["http", "stdio"]

Progress = Callable[[float, float | None, str | None], Awaitable[None]]
"""Tells the client how far the work is: done, of how much, and what is going on."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it reached us, before anything in it is believed.

    Attributes:
        server: The server it was sent to.
        kind: What is asked for.
        name: The tool's or prompt's name, the resource's URI, the argument to complete, or the method of a list.
        arguments: As sent, unparsed.
        request_id: Ours; logs, audit and error messages repeat it.
        era: The protocol version in use, e.g. `2026-07-28`.
        client_address: Of the peer, over HTTP.
        agent: What the client says it is; shown, never trusted.
        trace_id: From the client's W3C trace context, if any; shown, never trusted.
        answers: What the caller's own user said to questions of earlier rounds of this request, by question.
        round_id: Of a repeated request, the secret that its first round was given; the ledger honours it once.
        progress: Where the client wants to hear of progress.
        on_behalf: What may be done elsewhere in the caller's name, where the request came with a token.
        can_ask: Whether the caller's own user can be asked in this request.
        approval: The id of what was approved, where a worker does it and not the caller.
    """

    server: str
    kind: Kind
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    request_id: str = ""
    era: str = ""
    transport: Transport = "http"
    client_address: str | None = None
    agent: str | None = None
    trace_id: str | None = None
    answers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    round_id: str | None = None
    progress: Progress | None = None
    on_behalf: OnBehalf | None = field(default=None, repr=False, compare=False)
    can_ask: bool = True
    approval: str | None = None
