"""Which names we answer to, and which web pages may call us, with and without a name of our own."""

from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from shared.core.settings import Settings
from shared.edge.hosts import HostAndOrigin
from shared.edge.refusals import Refusals

pytestmark = pytest.mark.anyio


class Nowhere:
    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    async def write(self, record: dict[str, Any]) -> None:
        self.records.append(record)


async def asked(settings: Settings, path: str = "/mcp", **headers: str) -> tuple[int, list[Any]]:
    """The status, and what was counted."""
    sink = Nowhere()
    refusals = Refusals(sink)
    guarded = HostAndOrigin(PlainTextResponse("ok"), settings, refusals)
    transport = httpx.ASGITransport(guarded, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://elsewhere.example") as client:
        answer = await client.get(path, headers=headers)
    await refusals.flush()
    return answer.status_code, [found for record in sink.records for found in record["refusals"]]


LAPTOP = Settings()
PUBLIC = Settings(public_url="https://MCP.example", allowed_hosts=("mcp.internal:8443",))


@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        (LAPTOP, "LocalHost:8080", 200),
        (LAPTOP, "[::1]:8080", 200),
        (LAPTOP, "localhost", 421),
        (LAPTOP, "", 421),
        (PUBLIC, "mcp.example", 200),
        (PUBLIC, "MCP.Internal:8443", 200),
        (PUBLIC, "localhost:8080", 421),
        (PUBLIC, "127.0.0.1:8080", 421),
        (PUBLIC, "mcp.example.evil.example", 421),
    ],
)
async def test_a_host_is_ours_or_misdirected(settings: Settings, host: str, status: int) -> None:
    assert (await asked(settings, Host=host))[0] == status


async def test_a_public_server_takes_no_page_of_loopback() -> None:
    for origin in ("http://localhost:8080", "http://mcp.example", "https://mcp.example:444"):
        assert (await asked(PUBLIC, Host="mcp.example", Origin=origin))[0] == 403
    assert (await asked(PUBLIC, Host="mcp.example", Origin="https://mcp.example"))[0] == 200


async def test_refusals_are_counted_with_their_source() -> None:
    refused = {"server": "edge", "source": "192.0.2.7", "count": 1}
    assert await asked(LAPTOP, Host="evil.example") == (421, [refused | {"reason": "host"}])
    assert await asked(LAPTOP, Host="localhost:8080", Origin="null") == (403, [refused | {"reason": "origin"}])
    assert await asked(LAPTOP, "/livez", Host="10.0.0.7") == (200, [])
