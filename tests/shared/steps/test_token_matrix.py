"""Every row of the table (`token_rows.py`, `claim_rows.py`) over HTTP; and each defence switched off, to see that its
rows would tell.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import uvicorn

from shared.core.caller import Caller
from shared.state.switches import Switch
from shared.steps.auth import Verifier
from shared.steps.challenges import ADVICE
from tests.harness import Databases, Suite, modern, modern_headers, open_suite
from tests.loopback import tcp_listener
from tests.shared.steps.matrix_issuers import OUT_THERE, URLS, Web, signed, trusted
from tests.shared.steps.token_controls import CONTROLS, Control
from tests.shared.steps.token_rows import ACCEPTED, Row, Sent
from tests.shared.steps.token_table import BY_NAME, TABLE

pytestmark = pytest.mark.anyio

REASONS = {advice: reason for reason, advice in ADVICE.items()} | {"Send one Authorization header": "two"}


@dataclass
class World:
    """A suite that trusts the issuers of the table, and whom it took callers for."""

    suite: Suite
    web: Web
    http: httpx.AsyncClient
    origin: str
    callers: list[Caller] = field(default_factory=list[Caller])

    async def play(self, row: Row) -> str:
        """What came of it; the callers it was taken for are noted."""
        self.callers.clear()
        made = row.make()
        sent = Sent([f"Bearer {made}"]) if isinstance(made, str) else made
        body = modern("tools/list", sent.body)
        named = {**modern_headers("tools/list", {}), "Host": "suite.example"}
        headers = [*named.items(), *(("Authorization", value) for value in sent.authorization)]
        url = f"http://127.0.0.1:{self.suite.settings.port}/customers/mcp{sent.query}"
        return _outcome(await self.http.post(url, json=body, headers=headers))


def _outcome(answer: httpx.Response) -> str:
    if answer.status_code != 401:
        return ACCEPTED if answer.status_code == 200 and "result" in answer.json() else f"HTTP {answer.status_code}"
    reason = REASONS[answer.json()["error_description"]]
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert ('error="invalid_token"' in challenge) == (reason not in {"missing", "scheme"})
    return reason


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    web = Web()
    config = uvicorn.Config(web.app(), log_level="critical", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    out_there = uvicorn.Server(config)
    with tcp_listener() as listener, pytest.MonkeyPatch.context() as patch:
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        task = asyncio.create_task(out_there.serve([listener]))
        OUT_THERE["origin"] = origin
        settings: dict[str, Any] = {"public_url": "http://suite.example", "issuers": trusted(origin)}
        folder = tmp_path_factory.mktemp("matrix")
        async with open_suite(await databases.fresh(), folder, **settings) as suite, httpx.AsyncClient() as http:
            world = World(suite, web, http, origin)
            verify = Verifier.verify

            async def noting(verifier: Verifier, authorization: str | None) -> Caller:
                caller = await verify(verifier, authorization)
                world.callers.append(caller)
                return caller

            patch.setattr(Verifier, "verify", noting)
            yield world
        out_there.should_exit = True
        async with asyncio.timeout(5):
            await task


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
async def test_each_row_has_its_outcome(world: World, row: Row) -> None:
    assert await world.play(row) == row.outcome
    assert len(world.callers) == (row.outcome == ACCEPTED)
    for caller in world.callers:
        assert {name: getattr(caller, name) for name in row.caller} == row.caller


def test_the_table_is_whole() -> None:
    assert len(TABLE) == len(BY_NAME) >= 60
    assert {row.outcome for row in TABLE} == {*ADVICE, ACCEPTED, "two"} - {"revoked"}
    assert all(not row.caller or row.outcome == ACCEPTED for row in TABLE)


async def test_clients_are_told_of_every_issuer_in_order(world: World) -> None:
    url = f"http://127.0.0.1:{world.suite.settings.port}/.well-known/oauth-protected-resource/customers/mcp"
    shown = (await world.http.get(url, headers={"Host": "suite.example"})).json()
    assert shown["authorization_servers"] == [*URLS.values(), "http://suite.example/idp"]


async def test_nobody_asked_what_a_token_names(world: World) -> None:
    for row in TABLE:
        if row.name.startswith(("jwk", "jku", "x5")):
            await world.play(row)
    assert not {asked for asked in world.web.asked if "attacker" in asked or "/" in asked}


async def test_a_token_that_is_revoked_here_ends_at_once_and_lives_again_when_that_is_lifted(world: World) -> None:
    token = signed(jti="revoked-later")
    row = Row("revoked", lambda: token, "revoked")
    switches = world.suite.parts.switches
    assert await world.play(row) == ACCEPTED
    switches.replace([Switch(1, "token", None, "revoked-later", None, None, "stolen", "test", datetime.now(UTC))])
    assert await world.play(row) == "revoked"
    assert await world.play(BY_NAME["ES256"]) == ACCEPTED
    switches.replace([])
    assert await world.play(row) == ACCEPTED


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.defence)
async def test_without_a_defence_its_rows_tell(world: World, control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    for where, name, instead in control.off:
        monkeypatch.setattr(where, name, instead)
    came_of_it = {name: await world.play(BY_NAME[name]) for name in control.becomes}
    assert came_of_it == control.becomes
    assert all(BY_NAME[name].outcome != outcome for name, outcome in came_of_it.items())
