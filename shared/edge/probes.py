"""`/livez` and `/readyz` in plain HTTP on a port of their own: probes have no certificate to show."""

import socket
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager

import anyio
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.core.settings import Settings
from shared.edge import health
from shared.edge.draining import Draining
from shared.edge.health import Check
from shared.edge.listen import bind

_PATHS = ("/livez", "/readyz")


class _Listener(uvicorn.Server):
    """Ended by its context alone."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def open_probes(
    settings: Settings, checks: Mapping[str, Check], draining: Draining
) -> AsyncGenerator[int | None]:
    """Answer them for as long as the context lasts, also while the process drains; yields the port, if there is one.

    Raises:
        Misconfigured: The address cannot be had.
    """
    if settings.health_port is None:
        yield None
        return
    own = settings.model_copy(update={"host": settings.health_host, "port": settings.health_port})
    with bind(own, "SUITE_HEALTH_PORT or SUITE_HEALTH_HOST") as listening:
        async with _answering(listening, checks, draining):
            yield listening.getsockname()[1]


@asynccontextmanager
async def _answering(listening: socket.socket, checks: Mapping[str, Check], draining: Draining) -> AsyncGenerator[None]:
    routes = [route for route in health.routes(checks, draining) if route.path in _PATHS]
    config = uvicorn.Config(
        Starlette(routes=routes), http=HttpToolsProtocol, lifespan="off", log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = _Listener(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listening])
        try:
            yield
        finally:
            server.should_exit = True
