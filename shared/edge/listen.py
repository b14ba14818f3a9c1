import asyncio
import gc
import math
import signal
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.edge import backlog
from shared.edge.draining import Draining
from shared.edge.secured import Connection, secure

_BACKLOG = 1024
_HANDSHAKE_S = 0.05  # a round trip to clients; a balancer's is under a millisecond
_LINGER_S = 1.0
_LINGER_LOOK_S = 0.02
_CANCELLED_S = 8.0
_TICKS_OF_A_LOOK = 10  # a second, as uvicorn ticks


class _Server(uvicorn.Server):
    """uvicorn, which drains in the steps of `Draining`, and does not wait for ever for a request's headers.

    uvicorn itself would close idle connections at once, with whatever is on its way to us, and raise the signal
    again after draining, and so kill what is still to be closed.
    """

    def __init__(self, config: uvicorn.Config, settings: Settings, draining: Draining) -> None:
        super().__init__(config)
        self._settings = settings
        self._draining = draining
        self._half_open: dict[HttpToolsProtocol, float] = {}

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_OF_A_LOOK == 0:
            self._cut_half_open()
        return await super().on_tick(counter)

    def announce(self) -> None:
        """From now on every answer closes its connection (RFC 9112 §9.6)."""
        self._draining.announce()
        close = (b"connection", b"close")
        self.config.encoded_headers.append(close)
        self.server_state.default_headers = [*self.server_state.default_headers, close]
        for connection in self._connections():
            if cycle := cast("RequestResponseCycle | None", connection.cycle):  # None before the first request
                cycle.keep_alive = False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, end streams, and let calls in flight finish; those that will not are cancelled."""
        backlog.keep_new_out(sockets or [])
        await asyncio.sleep(_HANDSHAKE_S)
        arrived = backlog.take_all(sockets or [])
        for server in self.servers:
            server.close()
        for connection in arrived:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, connection, ssl=self.config.ssl if self.config.is_ssl else None
            )
        self._draining.begin()
        lingered_s = await self._linger()
        self.config.timeout_graceful_shutdown = math.ceil(max(0.0, self._settings.drain_s - lingered_s))
        await super().shutdown(sockets)
        if self.force_exit:
            for task in self.server_state.tasks:
                task.cancel()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_CANCELLED_S)

    async def _linger(self) -> float:
        """Serve what was on its way to us when we stopped listening; how many seconds that took."""
        began = time.monotonic()
        until = began + min(_LINGER_S, self._settings.drain_s)
        while self.server_state.connections and time.monotonic() < until and not self.force_exit:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_LINGER_LOOK_S)
        return time.monotonic() - began

    def _cut_half_open(self) -> None:
        """Close connections that began a request and do not get on with its headers: uvicorn has no time for those."""
        now = time.monotonic()
        half_open = [connection for connection in self._connections() if _is_half_open(connection)]
        self._half_open = {connection: self._half_open.get(connection, now) for connection in half_open}
        for connection, since in self._half_open.items():
            if now - since > self._settings.body_timeout_s:
                connection.transport.close()

    def _connections(self) -> list[HttpToolsProtocol]:
        return [found for found in self.server_state.connections if isinstance(found, HttpToolsProtocol)]

    def _protocol(self) -> HttpToolsProtocol:
        return Connection(self.config, self.server_state, self.lifespan.state)


def bind(settings: Settings, named: str = "SUITE_PORT or SUITE_HOST") -> socket.socket:
    """The socket we will listen on; taken before anything else is opened.

    Args:
        settings: `host` and `port`.
        named: The settings to change if it cannot be had.

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
        raise _taken(settings, named, error) from None
    return listening


def _taken(settings: Settings, named: str, error: OSError) -> Misconfigured:
    where = f"{settings.host}:{settings.port}"
    return Misconfigured(f"cannot listen on {where} ({error.strerror}); end what listens there, or set {named}")


async def listen(app: ASGIApp, settings: Settings, listening: socket.socket, draining: Draining | None = None) -> None:
    """Serve until SIGTERM or SIGINT, and then drain (docs/decisions/0020).

    For `drain_notice_s` all is served as before, but answers close their connections and readiness is red. Then we
    listen no more, streams end, and calls in flight have `drain_s` to finish. Calls that outlast that are cancelled;
    returns once they, too, have their records, within ten seconds more. A second signal ends the wait at once.

    Raises:
        Misconfigured: Somebody else listens there since `bind`: of two who only bound it, the first to listen has it.
    """
    try:
        listening.listen(_BACKLOG)
    except OSError as error:
        raise _taken(settings, "SUITE_PORT or SUITE_HOST", error) from None
    config = uvicorn.Config(
        app,
        http=Connection,
        lifespan="off",  # everything was opened before and is closed after
        access_log=False,  # the audit is the access log
        server_header=False,
        log_config=None,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    secure(config, settings.tls)
    server = _Server(config, settings, draining or Draining())
    _spare_the_collector()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, server, settings.notice_s)
        await server.serve(sockets=[listening])
        tasks.cancel_scope.cancel()


async def _stop_on_signal(server: _Server, notice_s: float) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        await anext(signals)
        server.announce()
        with anyio.move_on_after(notice_s):
            await anext(signals)
            server.force_exit = True
        server.should_exit = True
        await anext(signals)
        server.force_exit = True


def _is_half_open(connection: HttpToolsProtocol) -> bool:
    """Neither is a request being answered, nor does uvicorn's timer for idle connections run."""
    cycle = cast("RequestResponseCycle | None", connection.cycle)  # None before the first request
    return (cycle is None or cycle.response_complete) and connection.timeout_keep_alive_task is None


def _spare_the_collector() -> None:
    """What is imported and opened by now stays as long as we do. Walking it over and over took a fifth of each
    call's time, and every tenth of a second a pause that the slowest calls waited for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
