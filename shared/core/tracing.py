"""One request, watched: its ids, what came of it, and the spans of its steps where it is recorded.

Any room may open a span. While nothing is recorded that costs one look at a context variable.
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from dataclasses import dataclass
from functools import wraps
from random import getrandbits, random
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from opentelemetry import context as otel
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
)
from opentelemetry.trace import get_current_span as current_span
from opentelemetry.trace import set_span_in_context as with_span

P = ParamSpec("P")
T = TypeVar("T")

Attributes = Mapping[str, str | int | float | bool]

ASKED_PER_SECOND = 10
"""Requests recorded each second because their client says that its trace is; beyond that the ratio decides."""

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACEPARENT_MAX = 512
_NOTHING: AbstractContextManager[None] = nullcontext()


@dataclass(slots=True)
class Watched:
    """What is known of the request that is being answered.

    Attributes:
        request_id: Ours, once it has one.
        trace_id: In hex: of the trace the client or we began.
        target: The tool, prompt, read or completion; a name of ours, never what the client called it.
        outcome: What the audit record says.
        tracer: Makes the spans of its steps; None if it is not recorded.
    """

    trace_id: str | None = None
    request_id: str = ""
    target: str = ""
    tenant: str = ""
    outcome: str = ""
    tracer: Tracer | None = None


_watched: ContextVar[Watched | None] = ContextVar("watched", default=None)


def current() -> Watched | None:
    """The request that is being answered here, if one is."""
    return _watched.get()


def tell(*, request_id: str = "", target: str = "", tenant: str = "", outcome: str = "") -> None:
    """Add to what is known of the current request; nothing that is left out is changed."""
    watched = _watched.get()
    if watched is not None:
        watched.request_id = request_id or watched.request_id
        watched.target = target or watched.target
        watched.tenant = tenant or watched.tenant
        watched.outcome = outcome or watched.outcome


def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None
) -> AbstractContextManager[None]:
    """A step of the current request; an error is named by its class, its text is left out.

    Args:
        name: From a fixed set.
        kind: CLIENT where another service does the work.
        attributes: Never values of a caller or of a row.
    """
    watched = _watched.get()
    if watched is None or watched.tracer is None:
        return _NOTHING
    return _Step(watched.tracer, name, kind, attributes)


def traced(name: str) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """A coroutine function whose every run is a span."""

    def wrap(run: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(run)
        async def spanned(*args: P.args, **kwargs: P.kwargs) -> T:
            with span(name):
                return await run(*args, **kwargs)

        return spanned

    return wrap


class _Step:
    __slots__ = ("_attributes", "_kind", "_name", "_span", "_token", "_tracer")

    def __init__(self, tracer: Tracer, name: str, kind: SpanKind, attributes: Attributes | None) -> None:
        self._tracer = tracer
        self._name = name
        self._kind = kind
        self._attributes = attributes

    def __enter__(self) -> None:
        self._span = self._tracer.start_span(self._name, kind=self._kind, attributes=self._attributes)
        self._token = otel.attach(with_span(self._span))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        otel.detach(self._token)
        if kind is not None:
            self._span.set_attribute("error.type", kind.__name__)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Sampler:
    """Which requests are recorded. A client can neither make us record everything nor choose which.

    A trace that the client does not record, we do not; one that it does, we do, `ASKED_PER_SECOND` times a second.
    Else it is chance: not the trace id, which is the client's to choose.
    """

    def __init__(self, ratio: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ratio = ratio
        self._clock = clock
        self._left = float(ASKED_PER_SECOND)
        self._at = clock()

    def takes(self, parent: SpanContext | None) -> bool:
        if self._ratio <= 0 or (parent is not None and not parent.trace_flags.sampled):
            return False
        return random() < self._ratio or (parent is not None and self._granted())  # noqa: S311 - no secret

    def _granted(self) -> bool:
        now = self._clock()
        self._left = min(ASKED_PER_SECOND, self._left + (now - self._at) * ASKED_PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(frozen=True)
class Recorder:
    """Where spans go, and which requests have any."""

    tracer: Tracer
    sampler: Sampler


_recorder: Recorder | None = None


def record_to(recorder: Recorder | None) -> None:
    """From now on record requests there, in this process; None records nothing."""
    global _recorder  # noqa: PLW0603 - like every provider of OpenTelemetry, one a process
    _recorder = recorder


class Watching:
    """The life of one request: everything inside, in this task, is part of it."""

    __slots__ = ("_attached", "_token", "span", "watched")

    def __init__(self, watched: Watched, span: Span | None) -> None:
        self.watched = watched
        self.span = span
        self._attached: Token[otel.Context] | None = None

    def __enter__(self) -> Self:
        self._token = _watched.set(self.watched)
        if self.span is not None:
            self._attached = otel.attach(with_span(self.span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._attached is not None:
            otel.detach(self._attached)
        if self.span is not None:
            self.span.end()
        _watched.reset(self._token)


def watch(
    name: str, parent: SpanContext | None, began_ns: int, describe: Callable[[], tuple[Attributes, Sequence[Link]]]
) -> Watching:
    """Begin to watch a request.

    Args:
        name: Of its span.
        parent: The client's span.
        began_ns: When it reached us, by `time.perf_counter_ns`; what passed since is the span `edge`.
        describe: Attributes and links, asked for only if it is recorded.
    """
    recorder = _recorder
    if recorder is None or not recorder.sampler.takes(parent):
        return Watching(Watched(trace_id=parent and format(parent.trace_id, "032x")), None)
    attributes, links = describe()
    context = with_span(NonRecordingSpan(parent)) if parent else otel.Context()
    now_ns = time.time_ns()
    start_ns = now_ns - (time.perf_counter_ns() - began_ns)
    made = recorder.tracer.start_span(name, context, SpanKind.SERVER, attributes, links, start_ns)
    recorder.tracer.start_span("edge", with_span(made), start_time=start_ns).end(now_ns)
    return Watching(Watched(format(made.get_span_context().trace_id, "032x"), tracer=recorder.tracer), made)


def parent_of(
    carrier: Mapping[str, object] | None, keep_state: Callable[[str], bool] = lambda _: False
) -> SpanContext | None:
    """The span that `traceparent` and `tracestate` name (W3C Trace Context), if they are valid.

    Args:
        carrier: `_meta` of a request, or headers.
        keep_state: Whether a vendor's state may be kept; it goes wherever our spans go.
    """
    stated = carrier.get("traceparent") if carrier else None
    if carrier is None or not isinstance(stated, str) or len(stated) > _TRACEPARENT_MAX:
        return None
    match = _TRACEPARENT.fullmatch(stated)
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    state = carrier.get("tracestate")
    kept = isinstance(state, str) and len(state) <= _TRACEPARENT_MAX and keep_state(state)
    found = SpanContext(
        trace_id=int(match[2], 16),
        span_id=int(match[3], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[4], 16)),
        trace_state=TraceState.from_header([str(state)]) if kept else None,
    )
    return found if found.is_valid else None


def ids() -> dict[str, str]:
    """What logs say to find the request again: of it, its trace, and the step under way."""
    watched = _watched.get()
    if watched is None:
        return {}
    found = {"request_id": watched.request_id, "trace_id": watched.trace_id or ""}
    if watched.tracer is not None:
        found["span_id"] = format(current_span().get_span_context().span_id, "016x")
    return {name: value for name, value in found.items() if value}


def traceparent() -> str | None:
    """The step under way as another server takes it up (W3C Trace Context); None while there is no trace."""
    watched = _watched.get()
    if watched is None or watched.trace_id is None:
        return None
    if watched.tracer is None:  # a trace of the client's that is not recorded here, and so is not there
        return f"00-{watched.trace_id}-{getrandbits(64) or 1:016x}-00"
    return f"00-{watched.trace_id}-{current_span().get_span_context().span_id:016x}-01"
