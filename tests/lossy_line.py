import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class LossyLine:
    """Between a client and a Redis; `lose_reply` lets the next command be done, and its reply be lost."""

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url)
        self._port = 0
        self._losing = False
        self.lost = 0

    @property
    def url(self) -> str:
        user, at, _ = self._server.netloc.rpartition("@")
        return f"redis://{user}{at}127.0.0.1:{self._port}{self._server.path}"

    def lose_reply(self) -> None:
        self._losing = True

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["LossyLine"]:
        """Serve on a port of its own until the context ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._server.hostname, self._server.port)
        replies = asyncio.create_task(self._pass_on(there, writer, replies=True))
        try:
            await self._pass_on(reader, back, replies=False)
        finally:
            replies.cancel()
            back.close()
            writer.close()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, replies: bool) -> None:
        with suppress(OSError):
            while piece := await source.read(65536):
                if replies and self._losing:
                    self._losing = False
                    self.lost += 1
                    break
                target.write(piece)
                await target.drain()
        target.close()
