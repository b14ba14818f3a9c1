"""One process of a fleet: waited for, ended, started again, and never left behind."""

import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from compose.fleet.plan import free_ports
from compose.fleet.process import Process
from shared.core.errors import Misconfigured

pytestmark = pytest.mark.anyio

SERVES = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
print("I am", os.environ["SUITE_SHOW_REPLICA"], flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def process(folder: Path, code: str) -> Process:
    [port] = free_ports(1)
    command = (sys.executable, "-c", code, str(port))
    return Process("served-1", command, dict(os.environ), port, f"http://127.0.0.1:{port}/readyz", folder / "log.txt")


async def test_it_is_ended_and_started_again_with_another_life(tmp_path: Path) -> None:
    served = process(tmp_path, SERVES)
    async with httpx.AsyncClient() as client:
        for life in (1, 2):
            served.start()
            await served.ready(client)
            assert served.replica == f"served-1.{life}"
            assert served.pid != os.getpid()
            served.send(signal.SIGTERM)
            assert await served.ended() == 7
            assert not served.runs
    assert served.log.read_text().split("\n")[:2] == ["I am served-1.1", "I am served-1.2"]


async def test_one_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    served = process(tmp_path, "raise SystemExit('no room for me')")
    served.start()
    async with httpx.AsyncClient() as client:
        with pytest.raises(Misconfigured, match="served-1 did not get ready; its last words: no room for me"):
            await served.ready(client)


async def test_ctrl_c_at_the_terminal_is_not_for_the_children(tmp_path: Path) -> None:
    served = process(tmp_path, SERVES)
    served.start()
    try:
        async with httpx.AsyncClient() as client:
            await served.ready(client)
        assert served.pid is not None
        assert os.getpgid(served.pid) != os.getpgid(0)
    finally:
        served.kill()
    assert not served.runs
