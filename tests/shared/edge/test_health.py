"""Readiness says what is wrong, in time, and nothing of why."""

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from shared.core.errors import Unavailable
from shared.edge import health

pytestmark = pytest.mark.anyio


async def fine() -> None:
    pass


async def away() -> None:
    raise Unavailable("postgres://user:password@host")


async def ready(checks: dict[str, health.Check]) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=health.routes(checks)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/readyz")


async def test_one_check_that_fails_makes_it_unready_and_is_named_without_its_reason() -> None:
    answer = await ready({"database": fine, "audit": away})
    assert answer.status_code == 503
    assert answer.json() == {"status": "unready", "checks": {"database": "ok", "audit": "unavailable"}}


async def test_a_check_that_hangs_is_unavailable_and_does_not_hold_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_CHECK_S", 0.05)
    with anyio.fail_after(10):
        answer = await ready({"database": anyio.sleep_forever, "audit": fine})
    assert (answer.status_code, answer.json()["checks"]) == (503, {"database": "unavailable", "audit": "ok"})
