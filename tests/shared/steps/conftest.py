import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from shared.state.http import open_client
from shared.steps.jwks import Jwks
from tests.loopback import tcp_listener
from tests.shared.steps.issuing import World
from tests.shared.steps.loopback_issuer import Clock, Door, Issuer, open_jwks


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A verifier, its issuer over HTTP, and the time."""
    world = World()
    yield world
    await world.aclose()


@pytest.fixture(scope="module")
async def door() -> AsyncIterator[Door]:
    """One HTTP server for all tests; connections queue on its socket until it is up."""
    door = Door()
    app = Starlette(routes=[Route("/{path:path}", door.answer)])
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with tcp_listener() as listener:
        door.origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        task = asyncio.create_task(server.serve([listener]))
        yield door
        server.should_exit = True
        async with asyncio.timeout(5):
            await task


@pytest.fixture
def issuer(door: Door) -> Issuer:
    door.issuer = Issuer(door.origin)
    return door.issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with open_client() as client:
        yield client


@pytest.fixture
async def jwks(issuer: Issuer, client: httpx.AsyncClient, clock: Clock) -> AsyncIterator[Jwks]:
    jwks = open_jwks(client, clock, issuer=issuer.name)
    yield jwks
    await jwks.aclose()
