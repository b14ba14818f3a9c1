"""Two servers, each a process of its own, one of which asks the other: over the network, and once that has died."""

import signal
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import servers
from compose.idp.clients import resource_server_id
from tests.asking.server import server as mail
from tests.harness import Databases, Suite, open_suite
from tests.processes import Process, free_port, process

pytestmark = pytest.mark.anyio


@dataclass
class Apart:
    """The one that asks, here; the one that is asked, there."""

    suite: Suite
    there: Process

    async def resolve(self, *ids: str) -> dict[str, Any]:
        return await self.suite.call("support", "resolve", {"customer_ids": list(ids)}, "mail")


def _resources(url: str) -> dict[str, str]:
    return {"customers": f"{url}/customers/mcp"}


@pytest.fixture
async def apart(databases: Databases, tmp_path: Path) -> AsyncGenerator[Apart]:
    urls = await databases.fresh()
    port = free_port()
    served = [mail, servers.load("customers")]  # here nobody asks its customers server; the provider knows of both
    here = open_suite(
        urls,
        tmp_path / "here",
        databases.admin_url,
        served=served,
        peers={"customers": f"http://127.0.0.1:{port}/customers/mcp"},
        peer_resources=_resources,
    )
    async with here as suite:
        base = suite.settings.base_url
        known = {"mail": {"client_id": resource_server_id(suite.url("mail"))}}
        issuers = {"main": {"url": suite.provider.issuer, "clients": known}}
        folder = tmp_path / "there"
        folder.mkdir()
        told: dict[str, Any] = {"public_url": base, "shared_url": True, "port": port}
        told["allowed_hosts"] = f"127.0.0.1:{port}"
        async with process(urls, folder, "customers", issuers=issuers, **told) as there:
            await there.start()
            yield Apart(suite, there)


async def test_a_server_asks_another_process_until_that_dies_and_again_when_it_is_back(apart: Apart) -> None:
    first = await apart.resolve("C-000001", "C-ZZZZZZ")
    assert "missing" in first, (first, apart.there.log.read_text()[-1500:])
    assert first["missing"][-1]["id"] == "C-ZZZZZZ"
    (record,) = await apart.suite.records(target="resolve_contacts")
    assert (record["subject"], record["actors"]) == (
        "acme-support-agent",
        [resource_server_id(apart.suite.url("mail"))],
    )
    assert "resolve_contacts" in apart.there.log.read_text()
    apart.there.end(signal.SIGKILL)
    failed = (await apart.resolve("C-000002"))["error"]
    assert (failed["code"], failed["retryable"]) == ("unavailable", True)
    assert failed["message"].startswith("Customers does not answer")
    await apart.there.start()
    assert "contacts" in await apart.resolve("C-000003")
