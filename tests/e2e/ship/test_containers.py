"""The image is built over a base made here, compose.yaml runs, and a client goes all the way, in real containers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from compose import keys
from compose.oci import Archive
from compose.proxy.packages import Unreachable
from tests.clients import journey
from tests.e2e.ship.namespace import Private, missing
from tests.processes import free_port

ROOT = Path(__file__).parents[3]
SERVERS = ("customers", "documents", "tickets", "mail", "console")

pytestmark = [
    pytest.mark.skipif("SUITE_LONG" not in os.environ, reason="takes minutes: SUITE_LONG=1, or `make e2e`"),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]


@pytest.fixture(scope="module")
def private() -> Generator[Private]:
    """Podman with a storage of its own; SHIP_STORAGE keeps one, so that the next run need not make the base again."""
    kept = os.environ.get("SHIP_STORAGE")
    folder = Path(kept or tempfile.mkdtemp(prefix="ship-", dir="/var/tmp"))
    made = Private(folder)
    try:
        made.prepare()
    except Unreachable as error:
        pytest.skip(str(error))
    yield made
    if kept is None:
        subprocess.run(["buildah", "rmi", "--all", "--force"], env=made.environment, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def built(private: Private, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `make image` wrote what it says of the image."""
    into = tmp_path_factory.mktemp("image")
    private.run([sys.executable, "-m", "compose.local_base"], timeout_s=300)
    private.run([sys.executable, "-m", "compose.image", "--builder=buildah", f"--into={into}"], timeout_s=300)
    return into


@pytest.fixture(scope="module")
def seen(private: Private, built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was seen in the running stack."""
    secrets = tmp_path_factory.mktemp("told") / "secrets"
    keys.keep(secrets)
    command = [sys.executable, "-m", "tests.e2e.ship.inside", str(secrets), str(free_port())]
    return json.loads(private.run(command, apart=True, timeout_s=400).splitlines()[-1])


def test_the_image_tells_what_it_is_made_of_and_where_it_came_from(built: Path) -> None:
    archive = Archive(built / "mcp-suite.tar")
    statement = json.loads((built / "statement.json").read_text())
    assert statement["subject"] == [{"name": "mcp-suite", "digest": {"sha256": archive.digest.removeprefix("sha256:")}}]
    sbom = json.loads((built / "sbom.cdx.json").read_text())
    inside = {one["name"]: one["purl"] for one in sbom["components"] if "purl" in one}
    assert inside["pydantic"].startswith("pkg:pypi/pydantic@")
    assert inside["libc6"].startswith("pkg:deb/debian/libc6@")
    assert not inside.keys() & {"apt", "bash", "dash", "coreutils", "perl-base", "pytest", "pyright"}
    configuration = archive.configuration["config"]
    assert configuration["User"] == "10001:10001"
    assert configuration["Labels"]["org.opencontainers.image.version"]


def test_two_builds_of_one_source_are_the_same_to_the_byte(private: Private, built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", ".bench", "node_modules", "__pycache__", "build")
    )
    told = json.loads((built / "provenance.json").read_text())["buildDefinition"]["externalParameters"]["arguments"]
    words = [word for name, value in told.items() for word in ("--build-arg", f"{name}={value}")]
    place = ["--file", str(copy / "compose/Dockerfile"), "--tag", "again", str(copy)]
    once = ["--isolation=chroot", "--format=docker", f"--timestamp={told['SOURCE_DATE_EPOCH']}"]
    private.run(["buildah", "bud", "--no-cache", *once, *words, *place])
    private.run(["buildah", "push", "--quiet", "again", f"oci-archive:{tmp_path}/again.tar:again"])
    first, second = Archive(built / "mcp-suite.tar"), Archive(tmp_path / "again.tar")
    assert first.manifest["layers"] == second.manifest["layers"]
    assert first.configuration["rootfs"] == second.configuration["rootfs"]


@pytest.mark.parametrize("service", [*SERVERS, "identity", "relay"])
def test_a_container_has_no_rights_no_shell_and_nothing_to_write_to(seen: dict[str, Any], service: str) -> None:
    inside = seen["inside"][service]
    assert (set(inside["uid"]), set(inside["gid"])) == ({"10001"}, {"10001"})
    assert set(inside["capabilities"]) == {"0" * 16}
    assert inside["privileges"] == "1"
    assert inside["refused"] == [30, 30, 30, 30], "EROFS"
    assert all(name.startswith("python") for name in inside["programs"])
    assert not inside["pip"]
    assert not [
        name for name in inside["environment"] if "PASSWORD" in name or "SECRET" in name or name.endswith("_KEYS")
    ]


def test_servers_that_start_first_wait_for_what_they_need(seen: dict[str, Any]) -> None:
    assert seen["waited"]
    assert set(seen["healthy"].values()) == {True}, seen["healthy"]


def test_a_client_signs_in_lists_reads_and_writes_through_the_balancer(seen: dict[str, Any]) -> None:
    made = seen["journey"]
    assert set(made["walked"]["tools"]) == journey.READING
    assert made["walked"]["created"] == made["walked"]["repeated"]
    assert made["walked"]["resource"]["customer"]["name"] == made["name"]


def test_a_replica_that_is_killed_is_not_missed(seen: dict[str, Any]) -> None:
    assert seen["journey"]["after"] == [seen["journey"]["name"]] * 6


def test_a_mail_arrives_in_the_catcher_once(seen: dict[str, Any]) -> None:
    [headers] = seen["mails"]
    assert ["Subject", seen["journey"]["name"]] in headers


def test_the_console_answers_in_a_browser(seen: dict[str, Any]) -> None:
    assert "A program that calls itself <strong>Console</strong>" in seen["console"], "the provider's page to sign in"


def test_nobody_comes_in_by_a_side_door(seen: dict[str, Any]) -> None:
    """Without the balancer's certificate, without TLS, or as Redis's user without a name."""
    assert "200 OK" not in seen["doors"]["stranger"], seen["doors"]
    assert "no pg_hba.conf entry" in seen["doors"]["plain"], seen["doors"]
    assert "NOAUTH" in seen["doors"]["default"], seen["doors"]
    assert len(seen["published"]) == 1
    assert seen["published"][0].startswith("127.0.0.1:")


def test_nothing_is_left(seen: dict[str, Any]) -> None:
    assert seen["left"] == []
