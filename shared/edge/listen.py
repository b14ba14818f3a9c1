import asyncio
import gc
import math
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import uvicorn
from starlette.types import ASGIApp

from shared.core.errors import Misconfigured
from shared.core.settings import Settings

_BACKLOG = 1024
_CANCELLED_S = 10.0


class _Server(uvicorn.Server):
    """uvicorn, which would raise the signal again after draining and so kill what is still to be closed."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def bind(settings: Settings) -> socket.socket:
    """The socket we will listen on; taken before anything else is opened.

    Raises:
        Misconfigured: It cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on and every answer waits 40 ms for an acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        where = f"{settings.host}:{settings.port}"
        raise Misconfigured(f"cannot listen on {where} ({error.strerror}); set SUITE_PORT or SUITE_HOST") from None
    return listening


async def listen(app: ASGIApp, settings: Settings, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then let calls in flight finish for `drain_s` seconds.

    Calls that outlast that are cancelled; returns once they, too, have their records. A second SIGINT ends the wait.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",  # everything was opened before and is closed after
        access_log=False,  # the audit is the access log
        server_header=False,
        log_config=None,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
        timeout_keep_alive=75,
        proxy_headers=False,  # a forwarded address is believed only where a deployment says whom to believe
    )
    server = _Server(config)
    _spare_the_collector()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, server)
        await server.serve(sockets=[listening])
        if server.server_state.tasks:
            await asyncio.wait(server.server_state.tasks, timeout=_CANCELLED_S)
        tasks.cancel_scope.cancel()


async def _stop_on_signal(server: uvicorn.Server) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            server.handle_exit(number, None)


def _spare_the_collector() -> None:
    """What is imported and opened by now stays as long as we do. Walking it over and over took a fifth of each
    call's time, and every tenth of a second a pause that the slowest calls waited for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
