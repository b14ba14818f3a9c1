"""What leaves for an upstream, whatever it is given."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from shared.core.upstreams import Upstream
from shared.edge.outbound.client import Client
from shared.edge.outbound.message import Message

pytestmark = pytest.mark.anyio

BASE = "https://api.example/ex/one"


class Known:
    """A credential that is always accepted."""

    async def headers(self, *, refused: bool) -> dict[str, str] | None:
        return None if refused else {"X-Who": "us"}


@pytest.fixture
async def asked() -> AsyncGenerator[tuple[Client, list[httpx.Request]]]:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"), headers={"Content-Type": "application/json"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        upstream = Upstream(url=f"{BASE}/", tenant="acme", scopes=("some",))
        yield Client("Other", "other", upstream, http, lambda _: ()), seen


@pytest.mark.parametrize(
    ("segment", "sent"),
    [("SUP-1", "SUP-1"), ("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("../admin", "..%2Fadmin"), ("ä %", "%C3%A4%20%25")],
)
async def test_a_segment_of_a_path_stays_one(
    asked: tuple[Client, list[httpx.Request]], segment: str, sent: str
) -> None:
    client, seen = asked
    await client.ask(Message("GET", ("issue", segment)), Known())
    assert seen[0].url.raw_path == f"/ex/one/issue/{sent}".encode()
    assert seen[0].url.host == "api.example"


@pytest.mark.parametrize("segment", ["", ".", ".."])
async def test_a_segment_that_leads_elsewhere_is_refused(
    asked: tuple[Client, list[httpx.Request]], segment: str
) -> None:
    client, seen = asked
    for go in (client.ask, client.send):
        with pytest.raises(ValueError, match="no segment"):
            await go(Message("GET", ("issue", segment)), Known())
    assert seen == []


async def test_a_value_of_a_query_stays_one(asked: tuple[Client, list[httpx.Request]]) -> None:
    client, seen = asked
    await client.ask(Message("GET", ("search",), {"q": "a&b=c#d", "n": 2}), Known())
    assert dict(seen[0].url.params) == {"q": "a&b=c#d", "n": "2"}
    assert seen[0].headers["accept-encoding"] == "identity"
