"""Servers over TLS: who is served, and how certificates are renewed under whoever is connected."""

import asyncio
import gc
import os
import signal
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.core import metrics
from shared.core.settings import Settings
from shared.edge.draining import Draining
from shared.edge.listen import bind, listen
from shared.state.lines import lines_of
from shared.state.renewing import looked_after
from tests.authority import Authority, Pair

pytestmark = pytest.mark.anyio

BALANCER = "balancer.example"


@dataclass
class Server:
    """One that says the scheme it was reached by."""

    url: str
    authority: Authority
    own: Pair

    def context(self, shown: Pair | None = None, trusted: Authority | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=(trusted or self.authority).file)
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
        return context

    async def ask(self, shown: Pair | None = None, trusted: Authority | None = None) -> str:
        async with httpx.AsyncClient(verify=self.context(shown, trusted), timeout=10) as client:
            return (await client.get(self.url)).text

    async def serial(self) -> int:
        """Of the certificate that it shows now."""
        port = int(self.url.rsplit(":", 1)[1])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self.context())
        shown: dict[str, str] = writer.get_extra_info("peercert")
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return int(shown["serialNumber"], 16)


@asynccontextmanager
async def served(folder: Path, **tls: Any) -> AsyncGenerator[Server]:
    authority = Authority(folder)
    own = authority.sign("server", "127.0.0.1")
    settings = Settings(port=0, drain_s=1, tls={"certificate": own.certificate, "key": own.key, **tls})  # pyright: ignore[reportArgumentType]

    async def tell(scope: Scope, _receive: Receive, send: Send) -> None:
        await PlainTextResponse(scope["scheme"])(scope, _receive, send)

    with bind(settings) as listening:
        listening.listen()  # whoever comes before it is served waits
        async with looked_after(lines_of(settings), 0.01), anyio.create_task_group() as tasks:
            with anyio.fail_after(30):
                tasks.start_soon(listen, tell, settings, listening, Draining())
                try:
                    yield Server(f"https://127.0.0.1:{listening.getsockname()[1]}", authority, own)
                finally:
                    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True)
def _unfrozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: None)  # else what other tests left behind stays to the end
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]


async def until(found: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(10):
        while not await found():
            await anyio.sleep(0.01)


async def test_it_is_reached_over_https_and_speaks_the_newest_tls_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        assert await server.ask() == "https"
        old = server.context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        async with httpx.AsyncClient(verify=old) as client:
            with pytest.raises(httpx.TransportError):
                await client.get(server.url)


async def test_an_older_tls_is_spoken_where_the_settings_say_so(tmp_path: Path) -> None:
    async with served(tmp_path, minimum="1.2") as server:
        old = server.context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        async with httpx.AsyncClient(verify=old) as client:
            assert (await client.get(server.url)).text == "https"


async def test_with_a_client_authority_only_its_certificates_are_let_in(tmp_path: Path) -> None:
    balancers = Authority(tmp_path / "balancers")
    known = balancers.sign("balancer", BALANCER)
    ended = balancers.sign("ended", BALANCER, lasts=timedelta(days=-1))
    stranger = Authority(tmp_path / "strangers").sign("balancer", BALANCER)
    async with served(tmp_path, client_ca=balancers.file) as server:
        assert await server.ask(known) == "https"
        for shown in (None, stranger, ended):
            with pytest.raises(httpx.TransportError):
                await server.ask(shown)


async def test_of_that_authority_only_accepted_names_are_let_in_and_others_are_counted(tmp_path: Path) -> None:
    balancers = Authority(tmp_path / "balancers")
    before = metrics.TLS_REFUSALS.value()
    async with served(tmp_path, client_ca=balancers.file, client_names=(BALANCER,)) as server:
        assert await server.ask(balancers.sign("balancer", BALANCER)) == "https"
        with pytest.raises(httpx.TransportError):
            await server.ask(balancers.sign("other", "backup.example"))
    assert metrics.TLS_REFUSALS.value() == before + 1


async def test_a_renewed_certificate_is_shown_to_new_connections_while_old_ones_go_on(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        before = await server.serial()
        async with httpx.AsyncClient(verify=server.context()) as kept:
            await kept.get(server.url)
            server.authority.sign("server", "127.0.0.1")

            async def renewed() -> bool:
                return await server.serial() != before

            await until(renewed)
            assert (await kept.get(server.url)).text == "https"


async def test_an_authority_that_is_taken_away_lets_nobody_in_any_more(tmp_path: Path) -> None:
    """Not even whoever has been here before: no session is resumed."""
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(old.file.read_bytes())
    was, comes = old.sign("was", BALANCER), new.sign("comes", BALANCER)
    async with served(tmp_path, client_ca=trusted) as server:
        context = server.context(was)
        async with httpx.AsyncClient(verify=context, limits=httpx.Limits(max_keepalive_connections=0)) as client:
            assert (await client.get(server.url)).text == "https"
            trusted.write_bytes(old.file.read_bytes() + new.file.read_bytes())
            await until(lambda: _let_in(server, comes))
            assert (await client.get(server.url)).text == "https"
            trusted.write_bytes(new.file.read_bytes())
            await until(lambda: _kept_out(server, was))
            with pytest.raises(httpx.TransportError):
                await client.get(server.url)
        assert await server.ask(comes) == "https"


async def test_new_files_that_cannot_be_used_leave_the_last_good_ones_in_force(tmp_path: Path) -> None:
    def refused() -> float:
        return metrics.CERTIFICATE_RELOADS.value("server", "refused")

    before = refused()
    async with served(tmp_path) as server:
        shown = await server.serial()
        server.own.certificate.write_text("half of a certif")

        async def noticed() -> bool:
            return refused() > before

        await until(noticed)
        assert await server.serial() == shown
        server.authority.sign("server", "127.0.0.1")

        async def repaired() -> bool:
            return await server.serial() != shown

        await until(repaired)


async def test_metrics_tell_when_each_certificate_ends(tmp_path: Path) -> None:
    balancers = Authority(tmp_path / "balancers")
    async with served(tmp_path, client_ca=balancers.file) as server:
        await server.ask(balancers.sign("balancer", BALANCER))
        found = {labels[0]: value for labels, value in metrics.CERTIFICATE_ENDS.read()}
    day = 86_400
    now = time.time()
    assert found["server"] == pytest.approx(now + 90 * day, abs=day)
    assert found["client_ca"] == pytest.approx(now + 365 * day, abs=day)


async def _let_in(server: Server, shown: Pair) -> bool:
    try:
        return await server.ask(shown) == "https"
    except httpx.TransportError:
        return False


async def _kept_out(server: Server, shown: Pair) -> bool:
    return not await _let_in(server, shown)
