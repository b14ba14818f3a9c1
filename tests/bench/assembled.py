"""One server as the suite runs it, with null parts for the controls that are left out.

python -m tests.bench.assembled noop|customers SCOPE CONTROL…        settings come from the environment
"""

import asyncio
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import uvloop

import servers
from shared.core.settings import Settings
from shared.ops.logs import configure
from shared.ops.serving import serve_http
from tests.bench import noop, nulls
from tests.bench.nulls import Control
from tests.bench.sampler import sampling


def main(name: str, scope: str, *controls: str) -> None:
    settings = Settings()
    configure(settings.log_level)
    server = noop.server if name == noop.server.name else replace(servers.load(name), workers=())
    on = {Control(control) for control in controls}
    profiled = os.environ.get("BENCH_PROFILE")
    with (
        nulls.replaced(on, settings, [scope]),
        sampling(Path(profiled)) if profiled else nullcontext(),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(serve_http(settings, [server], alone=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
