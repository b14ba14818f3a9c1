"""The socket we listen on."""

import asyncio
import socket
from typing import Any

import pytest

from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.edge.listen import bind

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
