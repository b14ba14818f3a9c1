"""One server over stdin and stdout, for one local user: the operating system's login is the authentication."""

import asyncio
import os
import select
import signal
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

import anyio
import mcp_types as types
import structlog
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from shared.core.caller import LOCAL, Caller
from shared.core.server import Server
from shared.core.settings import Settings
from shared.edge import body, envelope
from shared.edge.deliveries import Deliveries
from shared.edge.on_connection import OnConnection
from shared.edge.open_streams import OpenStreams
from shared.edge.protocol import Protocol
from shared.edge.refusals import Refusals
from shared.edge.uris import Uris
from shared.pipeline import Pipeline
from shared.state.keys import KeyRing

log = structlog.get_logger("stdio")

Refuse = Callable[[envelope.Refused], Awaitable[None]]


def local_caller(settings: Settings, server: str) -> Caller:
    """The caller of `server` that the settings name: over stdio there is no token (MCP: credentials from the
    environment).
    """
    return Caller(
        subject=settings.stdio_subject,
        issuer=LOCAL,
        client="stdio",
        tenant=settings.stdio_tenant,
        scopes=Caller.granted([scope.replace("*:", f"{server}:", 1) for scope in settings.stdio_scopes]),
        roles=frozenset(settings.stdio_roles),
        acr=settings.stdio_acr,
    )


async def serve(server: Server, pipeline: Pipeline, caller: Caller, states: KeyRing, settings: Settings) -> None:
    """Serve until stdin ends, stdout is closed or a signal comes; calls in flight are then cancelled, and recorded so.

    Nothing but protocol reaches stdout: the SDK points fd 1 at stderr meanwhile. A line that is no message is
    answered with an error whose id is null where no request's could be told (JSON-RPC 2.0 §5.1), and counted.
    """
    protocol = Protocol(server, pipeline, lambda _context: caller, "stdio", states, settings.ask_timeout_s)
    sdk_server = protocol.build()
    refusals = Refusals(pipeline.sink)

    async def refuse(refused: envelope.Refused) -> None:
        refusals.count(server.name, refused.reason, "stdio")
        log.warning("a line was refused", problem=str(refused))
        if refused.answerable:
            await sent.send(_refusal(refused))

    async with (
        AsyncExitStack() as stopping,
        _until_nobody_listens(),
        _running(refusals),
        _stdin(settings.body_limit_bytes, refuse) as stdin,
        stdio_server(stdin=stdin) as (received, sent),
        anyio.create_task_group() as tasks,
    ):
        if pipeline.notices is not None:
            streams = OpenStreams(settings.streams_per_user, switches=pipeline.switches)
            stopping.enter_context(pipeline.switches.on_change(streams.end_stopped))
            deliveries = Deliveries(Uris(server.tools.resources), pipeline, pipeline.notices, streams)
            kept = OnConnection(deliveries, caller, settings.subscriptions_per_stream, tasks)
            protocol.offer_subscriptions(sdk_server, deliveries, kept.keeping, settings.subscriptions_per_stream)
        await sdk_server.run(received, sent, sdk_server.create_initialization_options())
        tasks.cancel_scope.cancel()


def _refusal(refused: envelope.Refused) -> SessionMessage:
    error = types.ErrorData(code=refused.code, message=str(refused))
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=refused.message_id, error=error))


class Lines:
    """The lines of a stream that hold one message, strict JSON within the limit; `refuse` is told of the others."""

    def __init__(self, reader: asyncio.StreamReader, refuse: Refuse) -> None:
        self._reader = reader
        self._refuse = refuse

    def __aiter__(self) -> "Lines":
        return self

    async def __anext__(self) -> str:
        while True:
            try:
                line = await self._line()
                if not line:
                    raise StopAsyncIteration
                if line.strip():  # on an empty one nothing was said
                    envelope.check(body.check(line))
                    return line.decode()
            except body.TooLarge:
                said = "The line is longer than SUITE_BODY_LIMIT_BYTES"
                await self._refuse(envelope.Refused("too_large", types.INVALID_REQUEST, 413, said))
            except body.Malformed as error:
                await self._refuse(envelope.Refused("malformed", types.PARSE_ERROR, 400, f"Parse error: {error}"))
            except envelope.Refused as refused:
                await self._refuse(refused)

    async def _line(self) -> bytes:
        """The next line, empty at the end of the stream.

        Raises:
            TooLarge: The line was longer than the reader's limit; all of it is passed over, for its rest may read
                like a message.
        """
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as ended:
            return ended.partial
        except asyncio.LimitOverrunError:
            await self._pass_over()
            raise body.TooLarge from None

    async def _pass_over(self) -> None:
        while True:
            try:
                await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as overrun:
                await self._reader.readexactly(overrun.consumed)
            except asyncio.IncompleteReadError:
                return
            else:
                return


@asynccontextmanager
async def _running(refusals: Refusals) -> AsyncGenerator[None]:
    """What was counted is written every minute, and when the server ends."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refusals.run)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def _stdin(limit: int, refuse: Refuse) -> AsyncGenerator[Any]:
    """Standard input, read in the event loop so that waiting for it can be cancelled; None for a file, or `/dev/null`.

    The SDK's own reader waits in a thread that nothing can interrupt, so that a signal would not end us. Of a file or
    a device nobody has to wait, and no epoll takes one: libuv would abort the process.
    """
    if not _can_wait(0):
        yield None
        return
    reader = asyncio.StreamReader(limit=limit)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(os.dup(0), "rb"))
    try:
        yield Lines(reader, refuse)
    finally:
        transport.close()
        os.set_blocking(0, True)  # a terminal is shared with the shell


def _can_wait(fd: int) -> bool:
    """Whether it is a pipe, a socket or a terminal: what is to come may come later."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


@asynccontextmanager
async def _until_nobody_listens() -> AsyncGenerator[None]:
    """Cancel what is inside on SIGTERM or SIGINT, or when the client closes its end of our stdout: no answer could
    reach it any more.
    """
    with suppress(BrokenPipeError), _alone():
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    async for _ in signals:
                        tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            with _told_when_closed(tasks.cancel_scope.cancel):
                yield
            tasks.cancel_scope.cancel()


@contextmanager
def _alone() -> Generator[None]:
    """A group of nothing but broken pipes is one: an answer was on its way when stdout was closed."""
    try:
        yield
    except ExceptionGroup as group:
        if group.split(BrokenPipeError)[1] is not None:
            raise
        raise BrokenPipeError from group


@contextmanager
def _told_when_closed(closed: Callable[[], None]) -> Generator[None]:
    """Call `closed` when nobody reads our stdout any more; where there is no epoll, the next write tells.

    The loop watches an epoll of its own, for it would make what it watches non-blocking, which writers of stdout do
    not expect. A file is never closed by somebody else, and no epoll takes one.
    """
    with ExitStack() as stack:
        with suppress(AttributeError, OSError):
            watching = stack.enter_context(select.epoll())
            watching.register(1, 0)  # no event but those nobody can refuse: EPOLLERR and EPOLLHUP
            loop = asyncio.get_running_loop()
            loop.add_reader(watching.fileno(), closed)
            stack.callback(loop.remove_reader, watching.fileno())
        yield
