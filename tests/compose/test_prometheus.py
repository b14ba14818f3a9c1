"""A real Prometheus, told what compose tells its own, over a real replica: it scrapes, and every rule and every panel
of the dashboard is one it can work out.

Only addresses differ: in compose they come from the names of services.
"""

import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml

from tests.charts.rendering import CHART
from tests.compose.test_compose import SERVICES
from tests.compose.test_observability import HOME, asked, rules
from tests.debian import program
from tests.harness import Databases, modern, modern_headers
from tests.processes import Process, free_port, process

pytestmark = pytest.mark.anyio

PATIENCE_S = 60
CALL: dict[str, Any] = {"name": "get_customer", "arguments": {"customer_id": "C-000001"}}

SILENT = {
    *("SuiteReplicaDown", "SuiteErrors", "SuiteSlow", "SuiteSaturated", "SuiteSheddingLoad"),
    *("SuiteAuditBehind", "SuitePostgresqlAway", "SuiteRedisAway", "SuiteCertificateEnds", "SuiteMailRelayLeftAlone"),
    *("SuiteMailsDead", "SuiteApprovalsAskedFor", "SuiteTokensTried", "SuiteTelemetryLost", "Alerts A"),
    *("SuiteCheckpointsLost", "SuiteRecipientsRefused"),
}
"""Alerts, of which a replica that is well has none."""

ELSEWHERE = {
    *("Mail A", "Mail B", "Certificates end in A", "Word lost A", "Word lost B"),
    *("Refused A", "Refused B", "Refused C", "Refused D"),
}
"""Panels that stay empty where nothing is refused or lost, no certificate is used and no mail is sent."""


def configured(folder: Path, replica: int) -> list[str]:
    """Compose's configuration in a folder, faster, with the address of one replica; the words to start with."""
    said: dict[str, Any] = yaml.safe_load((HOME / "prometheus.yml").read_text())
    said["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    suite, own = said["scrape_configs"]
    (names,) = suite.pop("dns_sd_configs")
    labels = {"__meta_dns_name": names["names"][0]}
    suite["static_configs"] = [{"targets": [f"127.0.0.1:{replica}"], "labels": labels}]
    port = free_port()
    own["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(said))
    faster = (HOME / "rules.yml").read_text().replace("    interval: 10s", "    interval: 500ms")
    (folder / "rules.yml").write_text(faster)
    told = {f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"}
    return [*compose_says(folder), *told]


def compose_says(folder: Path) -> list[str]:
    """Its command in compose.yaml, with this folder in place of what is mounted."""
    places = {"/etc/suite": str(folder), "/prometheus": str(folder / "data")}
    words: list[str] = []
    for word in SERVICES["prometheus"]["command"]:
        name, _, value = word.partition("=")
        root = next((place for place in places if value.startswith(place)), None)
        words.append(word if root is None else f"{name}={places[root]}{value.removeprefix(root)}")
    return words


@asynccontextmanager
async def prometheus(folder: Path, replica: int) -> AsyncGenerator[httpx.AsyncClient]:
    """It runs, and is asked by the client."""
    found = program("prometheus", "usr/bin/prometheus")
    words = configured(folder, replica)
    address = next(word.partition("=")[2] for word in words if word.startswith("--web.listen-address"))
    with (folder / "prometheus.log").open("wb") as log:
        running = subprocess.Popen([found.path, *words], env={**found.environment}, stdout=log, stderr=log)  # noqa: ASYNC220 - starting is quick
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
            await ready(client)
            yield client
    finally:
        running.kill()
        running.wait(10)


async def answer(client: httpx.AsyncClient, path: str, **params: str) -> Any:
    told = (await client.get(path, params=params)).json()
    assert told["status"] == "success", (params, told)
    return told["data"]


async def value(client: httpx.AsyncClient, expression: str) -> list[Any]:
    return (await answer(client, "/api/v1/query", query=expression))["result"]


async def ready(client: httpx.AsyncClient) -> None:
    """It listens before it can answer."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            with suppress(httpx.TransportError):
                if (await client.get("/-/ready")).is_success:
                    return
            await anyio.sleep(0.1)


async def until(client: httpx.AsyncClient, expression: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not await value(client, expression):
            await anyio.sleep(0.1)


@pytest.fixture
async def replica(databases: Databases, tmp_path: Path) -> AsyncGenerator[Process]:
    async with process(await databases.fresh(), tmp_path, metrics_port=free_port()) as made:
        await made.start()
        yield made


def autoscaled() -> str:
    """What the adapter of the chart asks Prometheus for, of our one replica in place of a pod."""
    (rule,) = yaml.safe_load((CHART / "adapter.yaml").read_text())["rules"]["custom"]
    asked_for: str = rule["metricsQuery"]
    return asked_for.replace("<<.GroupBy>>", "instance").replace("<<.LabelMatchers>>", 'job="suite"')


async def call(replica: Process) -> None:
    resource = replica.address.resource
    token = replica.provider().mint("manager", resource)
    headers = modern_headers("tools/call", CALL) | {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient() as client:
        done = await client.post(resource, json=modern("tools/call", CALL), headers=headers)
    assert "structuredContent" in done.text, done.text


async def test_it_scrapes_a_replica_and_works_out_every_rule_and_every_panel(replica: Process, tmp_path: Path) -> None:
    port = replica.settings.metrics_port
    assert port
    async with httpx.AsyncClient() as client:
        kind, _, version = (await client.get(f"http://127.0.0.1:{port}/metrics")).headers["content-type"].partition(";")
    assert (kind in {"text/plain", "application/openmetrics-text"}, "version=" in version) == (True, True), "3 insists"
    async with prometheus(tmp_path, port) as client:
        await until(client, 'up{job="suite", service="customers"} == 1')
        assert await value(client, autoscaled()), "the autoscaler is told of a replica that nobody asked yet, too"
        await call(replica)
        await until(client, 'mcp_requests_total{status="ok"}')
        await call(replica)
        await until(client, "suite:requests:rate5m > 0")
        empty = {name for name, expression in asked().items() if not await value(client, expression)}
        assert empty - SILENT == ELSEWHERE
        groups = (await answer(client, "/api/v1/rules"))["groups"]
        judged = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert judged.keys() == {str(rule.get("record", rule.get("alert"))) for rule in rules()}
    assert {
        name: rule["lastError"] for name, rule in judged.items() if rule["health"] != "ok" and "lastError" in rule
    } == {}
    assert [name for name, rule in judged.items() if rule.get("alerts")] == ["SuiteServerGone"], "of the other servers"


def test_every_server_of_compose_is_looked_for_where_it_tells_its_metrics() -> None:
    said: dict[str, Any] = yaml.safe_load((HOME / "prometheus.yml").read_text())
    (looked_for,) = said["scrape_configs"][0]["dns_sd_configs"]
    telling = {
        name: int(service["environment"]["SUITE_METRICS_PORT"])
        for name, service in SERVICES.items()
        if "SUITE_METRICS_PORT" in service.get("environment", {}) and "tools" not in service["profiles"]
    }
    assert set(looked_for["names"]) == telling.keys()
    assert {looked_for["port"]} == set(telling.values())
