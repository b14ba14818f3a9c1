"""The socket we listen on."""

import asyncio
import gc
import os
import signal
import socket
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.edge.draining import Draining
from shared.edge.listen import bind, listen

pytestmark = pytest.mark.anyio


async def test_answers_are_not_held_back_for_an_acknowledgement() -> None:
    accepted: asyncio.Queue[Any] = asyncio.Queue()

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer)

    with bind(Settings(port=0)) as listening:
        server = await asyncio.start_server(accept, sock=listening)
        _, client = await asyncio.open_connection(*listening.getsockname())
        served = await asyncio.wait_for(accepted.get(), 5)
        no_delay = served.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for writer in (client, served):
            writer.close()
            await writer.wait_closed()
        server.close()
        await server.wait_closed()
    assert no_delay


def test_a_port_that_is_taken_is_refused_in_one_sentence() -> None:
    with bind(Settings(port=0)) as listening:
        listening.listen()
        port = listening.getsockname()[1]
        with pytest.raises(Misconfigured, match=rf"cannot listen on 127\.0\.0\.1:{port} .*set SUITE_PORT"):
            bind(Settings(port=port))


async def test_of_two_who_took_a_port_at_once_the_second_to_listen_is_told() -> None:
    """The kernel lets both bind it as long as neither listens."""
    with bind(Settings(port=0)) as first:
        settings = Settings(port=first.getsockname()[1])
        with bind(settings) as second:
            first.listen()
            with pytest.raises(Misconfigured, match=r"cannot listen on .*end what listens there, or set SUITE_PORT"):
                await listen(PlainTextResponse("never"), settings, second)


@pytest.mark.parametrize(("trusted", "seen"), [((), "127.0.0.1"), (("127.0.0.0/8",), "203.0.113.9")])
async def test_a_forwarded_address_is_believed_only_of_a_proxy_we_trust(
    trusted: tuple[str, ...], seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last address that is not a trusted proxy's own: those before it are whatever the client wrote."""
    monkeypatch.setattr(gc, "freeze", lambda: None)  # else what other tests left behind stays to the end
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    async def tell(scope: Scope, _receive: Receive, send: Send) -> None:
        await PlainTextResponse(scope["client"][0])(scope, _receive, send)

    settings, draining = Settings(port=0, trusted_proxies=trusted, drain_s=1), Draining()
    forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9, 127.0.0.2"}
    with bind(settings) as listening:
        async with asyncio.timeout(20):
            served = asyncio.create_task(listen(tell, settings, listening, draining))
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{listening.getsockname()[1]}/", headers=forwarded)
            os.kill(os.getpid(), signal.SIGTERM)
            await served
    assert answer.text == seen


def test_every_address_as_a_proxy_is_refused() -> None:
    with pytest.raises(Misconfigured, match="choose its own"):
        Settings(trusted_proxies=("*",))
