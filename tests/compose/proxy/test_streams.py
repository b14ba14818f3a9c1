"""Events through the balancer: the lag is printed at the end of the run, and bounded generously."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import pytest

from tests.clients.node.npm import NODE
from tests.compose.proxy.site import PATIENCE_S, Site, goes_on

pytestmark = pytest.mark.anyio

EVENTS = 10
BOUND_S = 0.05
"""Events are 100 ms apart: whoever waits for the next one, or compresses, holds them back for longer."""


async def test_events_arrive_when_they_were_sent(site: Site, tell: Callable[[str], None]) -> None:
    lags: dict[str, list[float]] = {"GET": [], "POST": []}

    async def listen(method: str) -> None:
        headers = {"Do": "stream", "Accept": "text/event-stream", "Accept-Encoding": "gzip"}
        async with site.client.stream(method, site.url, headers=headers) as stream:
            assert stream.headers["content-type"] == "text/event-stream"
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    lags[method].append(time.time() - json.loads(line[6:])["sent"])
                if len(lags[method]) == EVENTS:
                    return

    site.a.every_s = site.b.every_s = 0.1
    async with anyio.create_task_group() as tasks:
        for method in lags:
            tasks.start_soon(listen, method)
    for method, seen in lags.items():
        p50, most = median(seen) * 1000, max(seen) * 1000
        tell(f"event lag through {site.balancer.program}, {method}: p50 {p50:.2f} ms, max {most:.2f} ms")
        assert median(seen) < BOUND_S


async def test_a_stream_may_be_silent_for_longer_than_a_client_may_stall(own_site: Site) -> None:
    site = own_site
    site.a.every_s = site.b.every_s = 3 * PATIENCE_S
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, ask_over_http2, site, 2)
        async with site.client.stream("GET", site.url, headers={"Do": "stream"}) as stream:
            await goes_on(stream.aiter_lines())


async def test_calls_and_streams_share_one_http2_connection(site: Site) -> None:
    told = await anyio.to_thread.run_sync(ask_over_http2, site, 3)
    assert told["protocol"] == "h2"
    assert told["events"] == 3
    assert set(told["replicas"]) == {"a", "b"}


def ask_over_http2(site: Site, events: int) -> dict[str, Any]:
    asked = [NODE, Path(__file__).with_name("http2.mjs"), site.url, site.balancer.authority, str(events)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
