"""compose.yaml and the Dockerfile: what they name exists, and nothing in them is softer than it has to be."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import servers
from compose import keys
from compose.idp import __main__ as idp_main
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.serving import scopes_of
from tests.compose import yaml_subset

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose" / "compose.yaml"
DOCKERFILE = (ROOT / "compose" / "Dockerfile").read_text()
DOCUMENT: dict[str, Any] = yaml_subset.read(COMPOSE.read_text())
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("mcp-suite")}
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::(-|\?)([^}]*))?\}")

every_service = pytest.mark.parametrize("name", SERVICES)


def given() -> dict[str, str]:
    """What compose/.env holds."""
    return dict(line.split("=", 1) for line in keys.lines())


def filled(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda found: values.get(found[1]) or found[3], text)


def environment(service: dict[str, Any]) -> dict[str, str]:
    values = given()
    return {name: filled(str(value), values) for name, value in service.get("environment", {}).items()}


@every_service
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), "a number, and not root's"
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}


@every_service
def test_every_service_that_stays_has_a_health_check(name: str) -> None:
    once = SERVICES[name]["restart"] == "no"
    assert SERVICES[name]["healthcheck"].get("disable", False) is once


def test_the_balancer_alone_can_be_reached_from_outside_and_by_default_from_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"balancer": ["127.0.0.1:${PUBLIC_PORT:-8443}:8443"]}
    outside = {name for name, service in SERVICES.items() if "outside" in service.get("networks", ())}
    assert outside == {"balancer"}
    assert DOCUMENT["networks"]["inside"] == {"internal": True}


@every_service
def test_images_are_named_by_registry_and_tag(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == "mcp-suite:dev" or re.fullmatch(r"[\w.]+\.\w+/[\w./-]+:\d[\w.-]*", image)


@every_service
def test_what_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    assert service.get("depends_on", {}).keys() <= SERVICES.keys()
    assert set(service.get("networks", ())) <= DOCUMENT["networks"].keys()
    assert {mount.split(":")[0] for mount in service.get("volumes", ())} <= DOCUMENT["volumes"].keys()


def test_every_setting_is_one_of_ours() -> None:
    named = {name for service in OURS.values() for name in service.get("environment", {}) if name.startswith("SUITE_")}
    fields = {name.removeprefix("SUITE_").lower().partition("__")[0] for name in named}
    assert fields <= Settings.model_fields.keys()
    assert named


def test_every_variable_of_the_provider_is_one_of_its_own() -> None:
    assert idp_main.__doc__ is not None
    assert set(re.findall(r"IDP_\w+", idp_main.__doc__)) >= SERVICES["identity"]["environment"].keys()


def test_what_must_be_filled_in_is_what_the_generated_file_holds() -> None:
    found = VARIABLE.findall(COMPOSE.read_text())
    required = {name for name, kind, _ in found if kind == "?"}
    assert required == given().keys()
    assert {name for name, kind, _ in found if kind == "-"} == {"PUBLIC_PORT"}
    assert all(kind for _, kind, _ in found), "a variable that is not there would be empty, silently"


def test_every_server_is_there() -> None:
    assert {name for name in SERVICES if name in servers.names()} == set(servers.names())


@pytest.mark.parametrize("server", servers.names())
def test_a_replica_starts_with_these_settings(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    for name in [name for name in os.environ if name.startswith("SUITE_")]:
        monkeypatch.delenv(name)
    for name, value in environment(SERVICES[server]).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.profile, settings.base_url) == ("fleet", "https://localhost:8443")
    assert settings.replicas == sum(SERVICES[name]["deploy"]["replicas"] for name in servers.names())
    grace = int(SERVICES[server]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.notice_s + settings.drain_s
    for name in [name for name in os.environ if name.startswith("SUITE_") and name.endswith("_KEYS")]:
        monkeypatch.delenv(name)
        with pytest.raises((Misconfigured, ValidationError), match=name):
            Settings()
        break


def test_replicas_cannot_read_the_audit_nor_change_tables_nor_switch() -> None:
    told = json.dumps([service.get("environment", {}) for name, service in SERVICES.items() if name in servers.names()])
    for secret in ("READER", "OWNER", "OPERATOR", "POSTGRES_PASSWORD"):
        assert secret not in told


def test_nobody_but_the_console_may_decide() -> None:
    knows = {name for name, service in SERVICES.items() if "CONSOLE" in json.dumps(service.get("environment", {}))}
    assert knows == {"console", "database"}


def test_the_provider_knows_the_servers_and_their_scopes() -> None:
    told = environment(SERVICES["identity"])
    server = environment(SERVICES["customers"])
    resources = json.loads(told["IDP_RESOURCES"])
    url = server["SUITE_PUBLIC_URL"]
    assert resources == {
        f"{url}/{each.name}" + ("" if each.web else "/mcp"): scopes_of(each) for each in servers.every()
    }
    assert told["IDP_ISSUER"] == json.loads(server["SUITE_ISSUERS"])["main"]["url"]


def test_the_file_of_secrets_is_new_each_time_and_holds_keys_of_the_right_length() -> None:
    command = [sys.executable, "-m", "compose.keys"]
    said = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    first, second = (dict(line.split("=", 1) for line in text.splitlines()) for text in said)
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())
    assert len(set(first.values())) == len(first)


def test_the_configuration_job_writes_what_the_balancer_reads(tmp_path: Path) -> None:
    words = [str(word) for word in SERVICES["configuration"]["command"]]
    assert words[:3] == ["python", "-m", "compose.proxy"]
    told = [word.replace("/balancer", str(tmp_path)) if word.startswith("--into") else word for word in words[3:]]
    subprocess.run([sys.executable, "-m", "compose.proxy", *told], cwd=ROOT, check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"haproxy.cfg", "server.pem", "authority.pem"}
    assert SERVICES["balancer"]["command"][-1] == "/balancer/haproxy.cfg"
    written = (tmp_path / "haproxy.cfg").read_text()
    for name in servers.names():
        assert f"server-template r1 1-16 {name}:8080 resolvers dns" in written
    assert SERVICES["balancer"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8404/healthz"
    assert "bind 127.0.0.1:8404" in written
    assert "stats socket unix@/run/balancer/admin.sock" in written


@pytest.mark.parametrize("name", OURS)
def test_commands_exist(name: str) -> None:
    match SERVICES[name]["command"]:
        case ["mcp-suite", *words]:
            done = subprocess.run(
                [Path(sys.executable).with_name("mcp-suite"), *words, "--help"],
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        case ["python", "-m", module, *_]:
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
        case other:
            pytest.fail(f"unknown command {other}")


def test_copied_paths_exist_and_are_not_kept_out_of_the_build() -> None:
    copied = [
        word
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert copied
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for path in copied:
        assert (ROOT / path).exists(), path
        assert path in let_in


def test_the_image_has_a_user_of_its_own_and_pinned_bases() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    assert "USER 10001:10001" in stages[-1]
    assert all(re.search(r":3\.\d+-slim-\w+", base) for base in re.findall(r"^FROM (.*)$", DOCKERFILE, re.MULTILINE))
    assert "uv sync --frozen" in DOCKERFILE
    assert "HEALTHCHECK" in stages[-1]
    assert not re.search(r"apt-get|build-essential|gcc|\buv\b", stages[-1]), "no build tools where it runs"


def test_uv_in_the_image_is_the_one_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    in_makefile, in_image = re.search(r"UV_VERSION := (\S+)", makefile), re.search(r"UV_VERSION=(\S+)", DOCKERFILE)
    assert in_makefile
    assert in_image
    assert in_makefile[1] == in_image[1]


def test_docker_compose_understands_the_file_where_there_is_one() -> None:
    docker = shutil.which("docker")
    said = subprocess.run([docker or "false", "compose", "version"], capture_output=True, check=False)
    if said.returncode:
        pytest.skip("this machine has no `docker compose`")
    asked = [str(docker), "compose", "--file", COMPOSE, "config", "--quiet"]
    done = subprocess.run(asked, env={**os.environ, **given()}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
