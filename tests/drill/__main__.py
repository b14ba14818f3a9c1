"""The drill server over HTTP, set by the environment like `mcp-suite serve`."""

import asyncio

import uvloop

from shared.core.server import Server
from shared.core.settings import Settings
from shared.ops.logs import configure
from shared.ops.serving import serve_http
from tests.drill.server import server


def main(served: Server = server) -> None:
    settings = Settings()
    configure(settings.log_level)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_http(settings, [served], alone=True))


if __name__ == "__main__":
    main()
