"""What operators see of a process: spans and metrics to a collector, metrics to Prometheus. Off unless it is set.

What it takes is imported only then: a client waits while a server starts over stdio.
"""

from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
import structlog

from shared.core.errors import Misconfigured
from shared.core.settings import Settings

FLUSH_S = 2.0
"""How long the collector may keep a process that ends."""

_PUSH_S = 15.0

log = structlog.get_logger("telemetry")


@dataclass(frozen=True)
class Telemetry:
    """What was opened.

    Attributes:
        metrics_port: Of `/metrics`, if it is there.
    """

    metrics_port: int | None = None


@asynccontextmanager
async def open_telemetry(
    settings: Settings, push_s: float = _PUSH_S, *, among_others: bool = False
) -> AsyncGenerator[Telemetry]:
    """Telemetry of this process as its settings want it, for as long as the context lasts; one at a time.

    Args:
        settings: `otlp_endpoint`, `trace_ratio`, `metrics_host`, `metrics_port`, `environment`.
        push_s: Seconds between two reports of the metrics to the collector.
        among_others: Several processes have these settings, as those that a client starts over stdio: whoever finds the
            port of `/metrics` taken goes on without, and says so.

    Raises:
        Misconfigured: The endpoint is no URL, or the address of `/metrics` cannot be had.
    """
    with ExitStack() as stack:
        opened = Telemetry()
        if settings.metrics_port is not None:
            from shared.ops.exposition import exposed  # noqa: PLC0415 - see above

            try:
                opened = Telemetry(stack.enter_context(exposed(settings.metrics_host, settings.metrics_port)))
            except Misconfigured as error:
                if not among_others:
                    raise
                log.warning("there are no metrics of this process", problem=str(error))
        if settings.otlp_endpoint is None:
            yield opened
            return
        from shared.ops.otlp import send  # noqa: PLC0415 - see above

        sending = send(settings, push_s)
        try:
            yield opened
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(sending.end, FLUSH_S)
