"""What the chart says is run here: its job on an empty database, then one of its servers, over a real PostgreSQL and a
real Redis. Only what a machine differs in from a pod is replaced: addresses, ports, and the folders that are mounted.
"""

import dataclasses
import os
import signal
import ssl
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from shared.state.embedded import EmbeddedPostgres
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.roles import Passwords, ensure_roles
from tests.authority import Authority
from tests.charts.rendering import (
    SECRETS,
    Manifest,
    Values,
    environment,
    named,
    pods,
    rendered,
    values_of,
)
from tests.processes import COMMAND, free_port
from tests.tls_redis import tls_redis

pytestmark = pytest.mark.anyio

PATIENCE_S = 120

TRIAL: Values = {
    "tls": {
        "enabled": True,
        "secretName": "inside",
        "clientCa": {"kind": "ConfigMap", "name": "authorities", "key": "balancer.pem"},
        "clientNames": ["controller.ingress"],
    },
    "expose": {"ingress": {"backendCa": "ingress/inside"}},
}
"""With certificates on both sides between balancer and servers."""

SHOWN_TO_REDIS: Values = {
    "redis": {"ca": {"kind": "ConfigMap", "name": "authorities", "key": "redis.pem"}, "clientCertificate": "shown"}
}


@pytest.fixture(scope="module")
async def secrets(postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, role_passwords: Passwords) -> dict[str, str]:
    """As in a trial, with the URLs of a database that nobody has migrated yet."""
    urls = await ensure_roles(postgres.admin_url, role_passwords, "suite_of_the_chart")
    here = {"database_url": urls.app, "database_owner_url": urls.owner, "database_console_url": urls.console}
    return SECRETS | {f"suite_{name}": value for name, value in here.items()} | {"suite_redis_url": redis_server.url}


def mounted(manifests: list[Manifest], pod: Manifest, folder: Path) -> dict[str, str]:
    """Where this machine has what the pod's volumes hold: those of Secrets of this release are really there."""
    places: dict[str, str] = {}
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    for mount in pod["spec"]["containers"][0]["volumeMounts"]:
        volume = volumes[mount["name"]]
        here = folder / mount["name"]
        here.mkdir(mode=0o700, parents=True)
        places[mount["mountPath"]] = str(here)
        if mount["name"] == "secrets":
            data = named(manifests, "Secret", volume["secret"]["secretName"])["stringData"]
            for item in volume["secret"]["items"]:
                file = here / item["path"]
                file.write_text(data[item["key"]])
                file.chmod(0o400)
    return places


def told(pod: Manifest, places: dict[str, str], **instead: str) -> dict[str, str]:
    """The pod's environment, with its paths and addresses on this machine, and what else every process has."""
    ours = environment(pod)
    for name, value in ours.items():
        for mount, here in sorted(places.items(), reverse=True):
            if value == mount or value.startswith(f"{mount}/"):
                ours[name] = here + value.removeprefix(mount)
                break
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_"))}
    return inherited | {name: "127.0.0.1" if value == "0.0.0.0" else value for name, value in ours.items()} | instead


def command(pod: Manifest) -> list[str]:
    program, *words = pod["spec"]["containers"][0]["command"]
    assert program == COMMAND.name
    return [str(COMMAND), *words]


@contextmanager
def running(pod: Manifest, variables: dict[str, str], log: Path) -> Generator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(command(pod), env=variables, stdout=output, stderr=output)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


@asynccontextmanager
async def served(pod: Manifest, places: dict[str, str], log: Path) -> AsyncGenerator[tuple[dict[str, str], Any]]:
    """The pod's process once its startup probe is answered, and a function that ends it as Kubernetes does."""
    ports = {name: str(free_port()) for name in ("SUITE_PORT", "SUITE_HEALTH_PORT", "SUITE_METRICS_PORT")}
    variables = told(pod, places, **ports, SUITE_DRAIN_NOTICE_S="0")
    with running(pod, variables, log) as process:
        await answers(pod, "startupProbe", ports["SUITE_HEALTH_PORT"], process, log)
        yield ports, process


async def answers(pod: Manifest, probe: str, port: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    path = pod["spec"]["containers"][0][probe]["httpGet"]["path"]
    with anyio.fail_after(PATIENCE_S):
        async with httpx.AsyncClient() as client:
            while True:
                assert process.poll() is None, _end_of(log)
                try:
                    if (await client.get(f"http://127.0.0.1:{port}{path}")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await anyio.sleep(0.05)


def _end_of(log: Path) -> str:
    return log.read_text()[-2000:]


async def test_the_job_migrates_and_the_server_gets_ready_for_the_balancer_alone_and_ends_as_it_is_told(
    secrets: dict[str, str], tmp_path: Path
) -> None:
    manifests = rendered(values_of("dev", TRIAL, {"secrets": {"inline": secrets}}))
    server = pods(manifests)["mcp-suite-customers"]
    await migrate(manifests, tmp_path / "job")

    places, log = mounted(manifests, server, tmp_path / "server"), tmp_path / "log.txt"
    inside = Authority(tmp_path / "inside", "inside")
    for file in dataclasses.astuple(inside.sign("tls", "127.0.0.1")):
        file.rename(Path(places["/run/tls"]) / file.name)
    shown = Authority(Path(places["/run/authorities/client"]), "balancer").sign("shown", "controller.ingress")
    async with served(server, places, log) as (ports, process):
        await answers(server, "readinessProbe", ports["SUITE_HEALTH_PORT"], process, log)
        known = ssl.create_default_context(cafile=inside.file)
        with pytest.raises(httpx.TransportError):
            await asked(known, ports)
        known.load_cert_chain(shown.certificate, shown.key)
        refused = await asked(known, ports)
        assert refused.status_code == 401
        metadata = "https://mcp.dev.example.com/.well-known/oauth-protected-resource/customers/mcp"
        assert metadata in refused.headers["www-authenticate"]
        async with httpx.AsyncClient() as client:
            exposed = (await client.get(f"http://127.0.0.1:{ports['SUITE_METRICS_PORT']}/metrics")).text
        assert 'mcp_requests_in_flight{server="customers"}' in exposed, "what the autoscaler asks for"
        process.send_signal(signal.SIGTERM)
        with anyio.fail_after(PATIENCE_S):
            while process.poll() is None:
                await anyio.sleep(0.05)
        assert process.returncode == 0


async def test_redis_lets_a_server_in_by_the_certificate_that_is_mounted_and_by_no_other(
    secrets: dict[str, str], tmp_path: Path
) -> None:
    clients, strangers = (Authority(tmp_path / name, name) for name in ("clients", "strangers"))
    (tmp_path / "redis").mkdir()
    with tls_redis(tmp_path / "redis", clients=clients) as redis:
        inline = secrets | {"suite_redis_url": redis.url}
        manifests = rendered(values_of("dev", SHOWN_TO_REDIS, {"secrets": {"inline": inline}}))
        await migrate(manifests, tmp_path / "job")
        server = pods(manifests)["mcp-suite-customers"]
        places, log = mounted(manifests, server, tmp_path / "server"), tmp_path / "log.txt"
        trusted = Path(places["/run/authorities/redis"]) / "redis.pem"
        trusted.write_bytes(redis.authority.file.read_bytes())
        show(strangers, places)
        async with served(server, places, log) as (ports, process), httpx.AsyncClient() as kubelet:
            assert (await kubelet.get(f"http://127.0.0.1:{ports['SUITE_HEALTH_PORT']}/readyz")).status_code == 503
            show(clients, places)
            await answers(server, "readinessProbe", ports["SUITE_HEALTH_PORT"], process, log)


def show(signer: Authority, places: dict[str, str]) -> None:
    """Put a certificate where the server's own for Redis is mounted; certificate and key count once they fit."""
    for file in dataclasses.astuple(signer.sign("tls", "customers")):
        file.rename(Path(places["/run/certificates/redis"]) / file.name)


async def migrate(manifests: list[Manifest], folder: Path) -> None:
    """Run the job."""
    job = pods(manifests)["mcp-suite-migrations"]
    with anyio.fail_after(PATIENCE_S):
        done = await anyio.run_process(command(job), env=told(job, mounted(manifests, job, folder)), check=False)
    assert done.returncode == 0, done.stderr.decode()


async def asked(known: ssl.SSLContext, ports: dict[str, str]) -> httpx.Response:
    """As the ingress controller asks for a client without a token."""
    async with httpx.AsyncClient(verify=known) as balancer:
        url = f"https://127.0.0.1:{ports['SUITE_PORT']}/customers/mcp"
        return await balancer.post(url, headers={"Host": "mcp.dev.example.com"}, json={})
