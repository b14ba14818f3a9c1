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
import yaml
from pydantic import ValidationError

import servers
from compose import keys
from compose.idp import __main__ as idp_main
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.running import parse_settings
from shared.ops.serving import scopes_of

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose" / "compose.yaml"
DOCKERFILE = (ROOT / "compose" / "Dockerfile").read_text()
DOCUMENT: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("mcp-suite")}
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::(-|\?)([^}]*))?\}")

every_service = pytest.mark.parametrize("name", SERVICES)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    keys.keep(folder)
    return folder


def mounted(service: dict[str, Any], secrets: Path, folder: Path) -> dict[str, str]:
    """The service's /run/secrets in a folder, and which file each is."""
    told = [{"source": one, "target": one} if isinstance(one, str) else one for one in service.get("secrets", ())]
    for one in told:
        (folder / one["target"]).write_bytes((secrets / one["source"]).read_bytes())
    return {one["target"]: one["source"] for one in told}


def filled(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda found: values.get(found[1]) or found[3], text)


def environment(service: dict[str, Any]) -> dict[str, str]:
    told = service.get("environment", {}).items()
    return {name: filled(str(value), {}) for name, value in told if value is not None}


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
    unasked = SERVICES[name]["restart"] == "no" or name == "collector"  # whose image has nothing to ask it with
    assert SERVICES[name]["healthcheck"].get("disable", False) is unasked


def test_the_balancer_alone_can_be_reached_from_outside_and_by_default_from_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("grafana") == ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"]
    assert published == {"balancer": ["127.0.0.1:${PUBLIC_PORT:-8443}:8443"]}
    outside = {name for name, service in SERVICES.items() if "outside" in service.get("networks", ())}
    assert outside == {"balancer", "grafana"}
    assert SERVICES["grafana"]["profiles"] == ["full"]
    assert DOCUMENT["networks"]["inside"] == {"internal": True}


@every_service
def test_images_are_named_by_registry_and_tag(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == "mcp-suite:dev" or re.fullmatch(r"[\w.]+\.\w+/[\w./-]+:v?\d[\w.-]*", image)


@every_service
def test_what_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    assert service.get("depends_on", {}).keys() <= SERVICES.keys()
    assert set(service.get("networks", ())) <= DOCUMENT["networks"].keys()
    mounts = {mount.split(":")[0] for mount in service.get("volumes", ())}
    assert {mount for mount in mounts if not mount.startswith("./")} <= DOCUMENT["volumes"].keys()
    assert all((COMPOSE.parent / mount).exists() for mount in mounts if mount.startswith("./"))


def test_what_looks_on_is_of_the_full_profile_alone_and_what_serves_of_both() -> None:
    profiles = {name: tuple(service["profiles"]) for name, service in SERVICES.items()}
    assert {name for name, said in profiles.items() if said == ("full",)} == {"collector", "prometheus", "grafana"}
    assert {name for name, said in profiles.items() if said == ("tools",)} == {"audit", "operator"}
    assert set(profiles.values()) == {("core", "full"), ("full",), ("tools",)}


def test_nothing_secret_is_in_the_environment(secrets: Path) -> None:
    hidden = [path.read_text().strip() for path in secrets.iterdir()]
    words = [
        word for service in SERVICES.values() for word in (*environment(service).values(), *service.get("command", ()))
    ]
    assert not [word for word in words if any(value in str(word) for value in hidden)]
    named = [name for service in SERVICES.values() for name in service.get("environment", {})]
    assert not [
        name for name in named if re.search(r"PASSWORD(?!_+FILE)|SECRET|_KEYS$|DATABASE_\w*URL|REDIS_URL", name)
    ]


def test_every_secret_is_made_and_each_that_is_made_for_a_container_is_mounted(secrets: Path) -> None:
    given = {name: told["file"] for name, told in DOCUMENT["secrets"].items()}
    assert given == {name: f"${{SECRETS:-./secrets}}/{name}" for name in given}
    made = {path.name for path in secrets.iterdir()}
    assert given.keys() <= made
    # The owner's is for `mcp-suite db` outside; a password that is in an URL too is mounted as that; so is a pair.
    assert made - given.keys() == {"suite_database_owner_url", "redis_password", "balancer.crt", "balancer.key"}


def test_the_folder_of_secrets_is_private_and_what_is_there_stays(tmp_path: Path) -> None:
    keys.keep(tmp_path / "secrets")
    before = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    keys.keep(tmp_path / "secrets")
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == before
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    keys.keep(tmp_path / "other")
    same = {name for name, held in before.items() if (tmp_path / "other" / name).read_bytes() == held}
    assert not same


def test_every_setting_is_one_of_ours() -> None:
    named = {name for service in OURS.values() for name in service.get("environment", {}) if name.startswith("SUITE_")}
    fields = {name.removeprefix("SUITE_").lower().partition("__")[0] for name in named}
    assert fields <= Settings.model_fields.keys()
    assert named


def test_every_variable_of_the_provider_is_one_of_its_own() -> None:
    assert idp_main.__doc__ is not None
    assert set(re.findall(r"IDP_\w+", idp_main.__doc__)) >= SERVICES["identity"]["environment"].keys()


def test_every_variable_has_a_default() -> None:
    found = VARIABLE.findall(COMPOSE.read_text())
    assert {name for name, kind, _ in found if kind == "-"} == {"PUBLIC_PORT", "GRAFANA_PORT", "SECRETS"}
    assert all(kind for _, kind, _ in found), "a variable that is not there would be empty, silently"


def test_every_server_is_there() -> None:
    assert {name for name in SERVICES if name in servers.names()} == set(servers.names())


@pytest.mark.parametrize("server", servers.names())
def test_a_replica_starts_with_these_settings(
    monkeypatch: pytest.MonkeyPatch, server: str, secrets: Path, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("SUITE_")]:
        monkeypatch.delenv(name)
    for name, value in environment(SERVICES[server]).items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(tmp_path)))
    monkeypatch.setenv("SUITE_SECRETS_DIR", str(tmp_path))
    files = mounted(SERVICES[server], secrets, tmp_path)
    assert (files["server.crt"], files["server.key"]) == (f"{server}.crt", f"{server}.key")
    settings = parse_settings()
    assert (settings.profile, settings.base_url) == ("fleet", "https://localhost:8443")
    assert (settings.tls.client_names, settings.health_port) == (("balancer",), 8081)
    assert settings.replicas == sum(SERVICES[name]["deploy"]["replicas"] for name in servers.names())
    grace = int(SERVICES[server]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.notice_s + settings.drain_s
    (tmp_path / "suite_audit_keys").unlink()
    with pytest.raises((Misconfigured, ValidationError), match="AUDIT_KEYS"):
        parse_settings()


def knowing(secret: str) -> set[str]:
    """The services that are given it."""
    return {name for name, told in SERVICES.items() if secret in json.dumps(told.get("secrets", ()))}


def test_each_role_of_the_database_is_known_to_those_that_act_in_it_alone() -> None:
    assert knowing("suite_database_reader_url") == {"audit"}
    assert knowing("suite_database_operator_url") == {"operator"}
    assert knowing("suite_database_console_url") == {"console"}
    assert knowing("postgres_password") == {"postgres", "database"}
    assert knowing("owner_password") == {"database"}
    assert knowing("mail_client_secret") == {"mail", "identity"}
    assert knowing("balancer_client.pem") == {"balancer"}


def test_the_provider_knows_the_servers_and_their_scopes() -> None:
    told = environment(SERVICES["identity"])
    server = environment(SERVICES["customers"])
    resources = json.loads(told["IDP_RESOURCES"])
    url = server["SUITE_PUBLIC_URL"]
    assert resources == {
        f"{url}/{each.name}" + ("" if each.web else "/mcp"): scopes_of(each) for each in servers.every()
    }
    assert told["IDP_ISSUER"] == server["SUITE_ISSUERS__MAIN__URL"]


def test_the_configuration_job_writes_what_the_balancer_reads(tmp_path: Path) -> None:
    words = [str(word) for word in SERVICES["configuration"]["command"]]
    assert words[:3] == ["python", "-m", "compose.proxy"]
    told = [word.replace("/balancer", str(tmp_path)) if word.startswith("--into") else word for word in words[3:]]
    subprocess.run([sys.executable, "-m", "compose.proxy", *told], cwd=ROOT, check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"haproxy.cfg"}
    assert SERVICES["balancer"]["command"][-1] == "/balancer/haproxy.cfg"
    written = (tmp_path / "haproxy.cfg").read_text()
    for name in servers.names():
        assert f"server-template r1 1-16 {name}:8080 resolvers dns" in written
        assert f"verify required ca-file /run/secrets/authority.pem verifyhost {name} " in written
    assert SERVICES["balancer"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8404/healthz"
    assert "bind 127.0.0.1:8404" in written
    assert "crt /run/secrets/balancer.pem" in written
    assert "{ path_beg /mail-sink/ }" in written
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
        assert path.partition("/")[0] in let_in


def test_the_image_is_put_onto_nothing_and_has_a_user_of_its_own() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    assert [stage.partition("\n")[0] for stage in stages[1:]] == ["${BASE} AS build", "${BASE} AS root", "scratch"]
    assert re.search(r"^ARG BASE=docker\.io/library/python:3\.\d+-slim-\w+$", stages[0], re.MULTILINE)
    assert "USER 10001:10001" in stages[-1]
    assert "HEALTHCHECK" in stages[-1]
    assert "RUN" not in stages[-1]
    assert "uv sync --frozen" in stages[1]


def test_hadolint_has_nothing_to_say() -> None:
    command = [Path(sys.executable).with_name("hadolint"), "--failure-threshold=style", ROOT / "compose/Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    worse = DOCKERFILE.replace("USER 10001:10001", "USER root").replace("${BASE} AS build", "python")
    done = subprocess.run([*command[:2], "-"], input=worse, capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_uv_in_the_image_is_the_one_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    in_makefile, in_image = re.search(r"UV_VERSION := (\S+)", makefile), re.search(r"UV_VERSION=(\S+)", DOCKERFILE)
    assert in_makefile
    assert in_image
    assert in_makefile[1] == in_image[1]


@pytest.mark.parametrize("profile", ["core", "full"])
def test_docker_compose_understands_the_file_where_there_is_one(profile: str) -> None:
    docker = shutil.which("docker")
    said = subprocess.run([docker or "false", "compose", "version"], capture_output=True, check=False)
    if said.returncode:
        pytest.skip("this machine has no `docker compose`")
    asked = [str(docker), "compose", "--file", COMPOSE, "--profile", profile, "config", "--quiet"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
