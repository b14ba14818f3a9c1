"""Probes on a port of their own."""

import anyio
import httpx
import pytest

from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.edge.draining import Draining
from shared.edge.listen import bind
from shared.edge.probes import open_probes

pytestmark = pytest.mark.anyio


async def fine() -> None:
    pass


async def away() -> None:
    raise Unavailable("It is away.")


async def asked(port: int | None, path: str) -> int:
    async with httpx.AsyncClient(timeout=10) as client:
        with anyio.fail_after(10):
            while True:
                try:
                    return (await client.get(f"http://127.0.0.1:{port}{path}")).status_code
                except httpx.ConnectError:
                    await anyio.sleep(0.01)


async def test_without_a_port_there_is_no_listener() -> None:
    async with open_probes(Settings(), {}, Draining()) as port:
        assert port is None


async def test_they_answer_in_plain_http_and_nothing_else_is_there() -> None:
    async with open_probes(Settings(health_port=0), {"database": fine}, Draining()) as port:
        codes = {path: await asked(port, path) for path in ("/livez", "/readyz", "/mcp", "/metrics", "/health")}
    assert codes == {"/livez": 200, "/readyz": 200, "/mcp": 404, "/metrics": 404, "/health": 404}


async def test_what_is_away_or_told_to_stop_is_not_ready_and_lives() -> None:
    draining = Draining()
    async with open_probes(Settings(health_port=0), {"database": away}, Draining()) as port:
        assert (await asked(port, "/readyz"), await asked(port, "/livez")) == (503, 200)
    async with open_probes(Settings(health_port=0), {}, draining) as port:
        draining.announce()
        assert (await asked(port, "/readyz"), await asked(port, "/livez")) == (503, 200)


async def test_a_port_that_is_taken_names_its_setting() -> None:
    with bind(Settings(port=0)) as taken:
        taken.listen()
        settings = Settings(health_port=taken.getsockname()[1])
        with pytest.raises(Misconfigured, match="SUITE_HEALTH_PORT"):
            async with open_probes(settings, {}, Draining()):
                pass
