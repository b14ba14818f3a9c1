from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from compose.idp.provider import IdentityProvider
from tests.compose.idp.flow import ISSUER, ORIGIN, RESOURCES, Clock, Flow


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def flow(anyio_backend: str) -> AsyncGenerator[Flow]:
    clock = Clock()
    events: list[dict[str, Any]] = []
    provider = IdentityProvider(
        ISSUER, resources=RESOURCES, clock=clock, loopback_documents=True, on_event=events.append
    )
    transport = httpx.ASGITransport(Starlette(routes=provider.routes))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        yield Flow(provider, http, clock, events)
