"""One round trip to something we depend on: timed always, and a span where the request is recorded."""

from time import perf_counter
from types import TracebackType

from opentelemetry.trace import SpanKind

from shared.core.metrics import BACKEND_S
from shared.core.tracing import Attributes, span

__all__ = ["RoundTrip"]


class RoundTrip:
    """A context around one round trip.

    Args:
        backend: `postgres`, `redis`, `audit`, `jwks`, `introspection`, `exchange`, or the name of an upstream in the
            settings.
        operation: From a fixed set.
        attributes: Of the span; never a value of a caller or of a row.
    """

    __slots__ = ("_backend", "_began", "_operation", "_span")

    def __init__(self, backend: str, operation: str, attributes: Attributes | None = None) -> None:
        self._backend = backend
        self._operation = operation
        self._span = span(f"{backend} {operation}", SpanKind.CLIENT, attributes)

    def __enter__(self) -> None:
        self._span.__enter__()
        self._began = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        BACKEND_S.observe(perf_counter() - self._began, self._backend, self._operation)
        self._span.__exit__(kind, error, trace)
