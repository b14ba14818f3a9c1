"""What the chart tells our programs, as they would take it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import servers
from shared.core.safety import problems, require_safe
from shared.core.settings import Settings
from shared.core.sources import settings_of
from shared.edge import health
from shared.ops.cli import app
from tests.charts.names import paths
from tests.charts.rendering import (
    EVERYTHING,
    RENDERED,
    SECRETS,
    SETS,
    Manifest,
    Values,
    environment,
    every_set,
    of_kind,
    of_set,
    pods,
    values_of,
)

PROD = of_set("prod")


@every_set
def test_every_variable_is_a_setting_of_ours(name: str, more: Values) -> None:
    for pod in pods(of_set(name, more)).values():
        for path in paths(environment(pod)):
            model: Any = Settings
            for part in path:
                assert part in model.model_fields, path
                model = model.model_fields[part].annotation


@every_set
def test_every_file_of_a_secret_is_a_setting_of_ours(name: str, more: Values) -> None:
    files = {
        item["path"]
        for pod in pods(of_set(name, more)).values()
        for volume in pod["spec"].get("volumes", ())
        if volume["name"] == "secrets"
        for item in volume["secret"]["items"]
    }
    assert len(files) > 8
    assert {file.removeprefix("suite_").partition("__")[0] for file in files} <= Settings.model_fields.keys()


def files_of(pod: Manifest) -> set[str]:
    (secret,) = [each["secret"] for each in pod["spec"]["volumes"] if each["name"] == "secrets"]
    return {item["path"] for item in secret["items"]}


@pytest.mark.parametrize("name", SETS)
def test_each_pod_is_told_only_the_secrets_of_its_own(name: str) -> None:
    told = {
        pod.removeprefix("mcp-suite-"): files_of(made)
        for pod, made in pods(of_set(name)).items()
        if pod != "mcp-suite-test"
    }
    knows = {file: {who for who, files in told.items() if file in files} for files in told.values() for file in files}
    assert knows["suite_database_owner_url"] == {"migrations"}
    assert knows["suite_database_console_url"] == {"console"}
    assert knows["suite_issuers__main__clients__mail__client_secret"] == {"mail"}
    assert not {"suite_database_reader_url", "suite_database_operator_url", "suite_database_admin_url"} & knows.keys()


@every_set
def test_probes_ask_what_the_servers_answer(name: str, more: Values) -> None:
    answered = {route.path for route in health.routes({})}
    for deployment in of_kind(of_set(name, more), "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        told = environment(deployment["spec"]["template"])
        for kind, path in (("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")):
            asked = container[f"{kind}Probe"]["httpGet"]
            assert asked == {"path": path, "port": "health"}
            assert asked["path"] in answered
        assert {*ports.values()} == {int(told[f"SUITE_{each}PORT"]) for each in ("", "HEALTH_", "METRICS_")}


@every_set
def test_pods_get_the_time_that_draining_takes(name: str, more: Values) -> None:
    for deployment in of_kind(of_set(name, more), "Deployment"):
        pod = deployment["spec"]["template"]
        told = environment(pod)
        needed = float(told["SUITE_DRAIN_NOTICE_S"]) + float(told["SUITE_DRAIN_S"]) + 10
        assert pod["spec"]["terminationGracePeriodSeconds"] > needed


@every_set
def test_commands_are_ours(name: str, more: Values) -> None:
    for pod in pods(of_set(name, more)).values():
        for container in pod["spec"]["containers"]:
            match container["command"]:
                case ["mcp-suite", *words]:
                    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0
                    assert words == ["db", "migrate"] or words[-1] in servers.names()
                case ["python", "-m", module, url]:
                    assert Path(f"{module.replace('.', '/')}.py").exists()
                    assert re.fullmatch(r"http://mcp-suite-\w+:8081/readyz", url)
                case other:
                    pytest.fail(f"unknown command {other}")


def test_all_pods_together_are_told_of_and_stay_below_what_the_database_has() -> None:
    scaled = [each["spec"]["maxReplicas"] for each in of_kind(PROD, "HorizontalPodAutoscaler")]
    told = environment(pods(PROD)["mcp-suite-customers"])
    assert int(told["SUITE_REPLICAS"]) == sum(scaled) == 40
    assert sum(scaled) * int(told["SUITE_POOL_MAX"]) <= values_of("prod")["database"]["connections"]


def test_numbers_and_tables_reach_a_process_as_they_were_written() -> None:
    more: Values = {
        "settings": {
            "body_limit_bytes": 1048576,
            "trace_ratio": 0.25,
            "read_only": True,
            "allowed_hosts": ["a.example", "b.example"],
        }
    }
    told = environment(pods(of_set("prod", more))["mcp-suite-customers"])
    wanted = {
        "BODY_LIMIT_BYTES": "1048576",
        "TRACE_RATIO": "0.25",
        "READ_ONLY": "true",
        "ALLOWED_HOSTS": '["a.example","b.example"]',
    }
    assert {name: told[f"SUITE_{name}"] for name in wanted} == wanted


def test_what_is_set_for_one_server_stays_with_it() -> None:
    more: Values = {
        "settings": {"smtp": {"port": 2525}},
        "servers": {"mail": {"settings": {"smtp": {"host": "relay.example.com"}}}},
    }
    found = pods(of_set("prod", more))
    assert json.loads(environment(found["mcp-suite-tickets"])["SUITE_SMTP"]) == {"port": 2525}
    assert json.loads(environment(found["mcp-suite-mail"])["SUITE_SMTP"])["host"] == "relay.example.com"


LINES: dict[str, str] = {
    "suite_redis_url": "rediss://redis.example.com:6380/0",
    "suite_database_session_url": "postgresql://suite_app:app@direct.example.com/suite",
    "suite_smtp__password": "of the relay",
}
"""What stage and prod are given beside the secrets of a trial."""


@pytest.mark.parametrize("server", servers.names())
@pytest.mark.parametrize("name", SETS)
def test_our_programs_take_what_they_are_told_for_safe(name: str, server: str) -> None:
    pod = pods(of_set(name))[f"mcp-suite-{server}"]
    secrets = SECRETS | ({} if name == "dev" else LINES)
    told = environment(pod) | {file.upper(): secrets[file] for file in files_of(pod)}
    settings = settings_of(told, Settings)
    require_safe(settings, serving=True)
    assert list(problems(settings)) == [], "nor do they warn of anything"


def test_what_is_mounted_is_where_settings_say_it_is() -> None:
    for name, more in RENDERED:
        for pod in pods(of_set(name, more)).values():
            if "volumes" not in pod["spec"]:
                continue
            (container,) = pod["spec"]["containers"]
            mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            assert set(mounts.values()) == {volume["name"] for volume in pod["spec"]["volumes"]}
            said = [value for value in environment(pod).values() if value.startswith("/")]
            assert said
            for path in said:
                assert any(path == mount or path.startswith(f"{mount}/") for mount in mounts), path


def test_every_pod_that_is_verified_by_postgresql_and_redis_has_what_it_shows_them() -> None:
    for pod in pods(of_set("prod", EVERYTHING)).values():
        if "volumes" not in pod["spec"]:
            continue
        shown = {each["name"]: each["secret"]["secretName"] for each in pod["spec"]["volumes"] if "secret" in each}
        assert (shown["database-certificate"], shown["redis-certificate"]) == ("shown-to-postgresql", "shown-to-redis")
        told = {name: Path(value) for name, value in environment(pod).items() if value.startswith("/run/certificates/")}
        wanted = {
            f"SUITE_{line.upper()}_{part}": Path(f"/run/certificates/{line}/{file}")
            for line in ("database", "redis")
            for part, file in (("CERTIFICATE", "tls.crt"), ("KEY", "tls.key"))
        }
        assert told == wanted
        (container,) = pod["spec"]["containers"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts["/run/certificates/database"] == "database-certificate"
        assert mounts["/run/certificates/redis"] == "redis-certificate"


@pytest.mark.parametrize("server", servers.names())
def test_our_programs_take_both_sides_certificates_for_safe(server: str) -> None:
    pod = pods(of_set("prod", EVERYTHING))[f"mcp-suite-{server}"]
    secrets = SECRETS | LINES
    told = environment(pod) | {file.upper(): secrets[file] for file in files_of(pod)}
    require_safe(settings_of(told, Settings), serving=True)


def test_a_token_for_vault_is_for_vault_alone() -> None:
    for name, pod in pods(of_set("prod", EVERYTHING)).items():
        if name == "mcp-suite-test":
            continue
        (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == "vault"]
        (source,) = volume["projected"]["sources"]
        assert source["serviceAccountToken"] == {"path": "token", "audience": "vault", "expirationSeconds": 3600}
        assert pod["spec"]["automountServiceAccountToken"] is False
