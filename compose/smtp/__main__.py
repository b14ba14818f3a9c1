"""`python -m compose.smtp`: the sink by itself, with its pages; for containers.

SINK_HOST, SINK_PORT, SINK_WEB_PORT   where to listen; 127.0.0.1, 2525 and 8025 without them
"""

import asyncio
import os

import uvicorn
from starlette.applications import Starlette

from compose.smtp.page import routes
from compose.smtp.sink import Sink, open_sink


async def main() -> None:
    host = os.environ.get("SINK_HOST", "127.0.0.1")
    async with open_sink(Sink(host, int(os.environ.get("SINK_PORT", "2525")))) as sink:
        port = int(os.environ.get("SINK_WEB_PORT", "8025"))
        app = Starlette(routes=routes(sink))
        await uvicorn.Server(uvicorn.Config(app, host=host, port=port, access_log=False)).serve()


if __name__ == "__main__":
    asyncio.run(main())
