"""What may be said to the chart, and what it refuses."""

import json
from typing import Any, cast

import helm_python as helm
import pytest
from jsonschema import Draft202012Validator

import servers
from tests.charts.names import SCHEMA, known
from tests.charts.rendering import CHART, SECRETS, SETS, Values, over, rendered, values_of

SAID: dict[str, Any] = json.loads(SCHEMA.read_text())


@pytest.mark.parametrize(
    "misspelt",
    [
        {"enviroment": "prod"},
        {"environment": "production"},
        {"image": {"digset": "sha256:" + "0" * 64}},
        {"image": {"digest": "sha256:123"}},
        {"publicUrl": "http://mcp.example.com"},
        {"publicUrl": "https://mcp.example.com/customers"},
        {"settings": {"log_levle": "INFO"}},
        {"settings": {"SUITE_LOG_LEVEL": "INFO"}},
        {"settings": {"database_url": "postgresql://…"}},
        {"servers": {"customer": {}}},
        {"servers": {"mail": {"replica": 3}}},
        {"servers": {"mail": {"autoscaling": {"maxReplica": 3}}}},
        {"servers": {"mail": {"resources": {"limits": {"mem": "1Gi"}}}}},
        {"servers": {"mail": {"secrets": ["SMTP_PASSWORD"]}}},
        {"servers": {"mail": {"extraEnv": [{"nmae": "A", "value": "b"}]}}},
        {"issuers": {"main": {"urls": "https://login.example.com"}}},
        {"issuers": {"main": {"clients": {"mails": {"client_id": "mail"}}}}},
        {"secrets": {"source": "vault"}},
        {"secrets": {"external": {"store": {"nam": "vault"}}}},
        {"database": {"pooler": "session"}},
        {"database": {"ca": {"keys": "database.pem"}}},
        {"database": {"clientCertificates": "ours"}},
        {"redis": {"clientCertificate": {"name": "ours"}}},
        {"redis": {"clientCertificate": "Not A Name"}},
        {"tls": {"clientCA": {}}},
        {"expose": {"kind": "nodeport"}},
        {"expose": {"ingress": {"class": "haproxy"}}},
        {
            "networkPolicy": {
                "egress": {
                    "database": {"from": ["server"], "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [5432]}
                }
            }
        },
        {"networkPolicy": {"egress": {"database": {"from": ["servers"], "to": [], "ports": [5432]}}}},
        {"monitoring": {"serviceMonitor": True}},
        {"spread": {"zones": "Never"}},
        {"drain": {"notice": "10s"}},
    ],
    ids=lambda value: json.dumps(value, ensure_ascii=False)[:60],
)
def test_a_misspelt_value_fails(misspelt: Values) -> None:
    with pytest.raises(helm.HelmError):
        rendered(values_of("prod", misspelt))


@pytest.mark.parametrize(
    ("name", "unsafe", "told"),
    [
        ("stage", {"secrets": {"source": "inline", "inline": SECRETS}}, "secrets.source is inline outside of dev"),
        ("prod", {"secrets": {"inline": SECRETS}}, "secrets.inline holds secrets"),
        ("stage", {"image": {"digest": ""}}, "image.digest is needed"),
        ("dev", {"image": {"tag": "latest"}}, "image.tag is latest"),
        ("prod", {"issuers": {"main": {"url": "https://mcp.example.com/idp"}}}, "the mock identity provider"),
        ("stage", {"issuers": {"two": {"url": "https://elsewhere.example.com/idp"}}}, "issuers.two is the mock"),
        ("prod", {"each": {"autoscaling": {"minReplicas": 1}}}, "autoscaling with one replica"),
        ("dev", {"each": {"autoscaling": {"enabled": True, "minReplicas": 1}}}, "autoscaling with one replica"),
        ("prod", {"each": {"autoscaling": {"maxReplicas": 3}}}, "nothing would be scaled"),
        (
            "prod",
            {"servers": {"mail": {"autoscaling": {"enabled": False}, "replicas": 1}}},
            "servers.mail has one replica",
        ),
        ("prod", {"networkPolicy": {"enabled": False}}, "networkPolicy.enabled is false"),
        ("prod", {"database": {"unencrypted": True}}, "encrypted and verified"),
        ("prod", {"redis": {"unencrypted": True}}, "encrypted and verified"),
        ("prod", {"database": {"connections": 100}}, "40 pods with pool.max 10 may open 400 connections"),
        ("dev", {"database": {"pooler": "transaction"}}, "suite_database_session_url"),
        ("dev", {"tls": {"clientCa": {"kind": "Secret", "name": "a", "key": "b"}}}, "tls.clientCa needs tls.enabled"),
        ("dev", {"database": {"clientCertificate": "ours"}}, "database.clientCertificate needs database.ca"),
        ("dev", {"redis": {"clientCertificate": "ours"}}, "redis.clientCertificate needs redis.ca"),
        ("prod", {"settings": {"smtp": {"password": "hunter2"}}}, "a secret stands in settings"),
        (
            "prod",
            {"servers": {"mail": {"settings": {"notify": {"acme": {"webhook_secrets": ["whsec_"]}}}}}},
            "a secret stands in settings",
        ),
        (
            "prod",
            {"servers": {"mail": {"extraEnv": [{"name": "SUITE_READ_ONLY", "value": "true"}]}}},
            "belong under settings",
        ),
        ("prod", {"expose": {"ingress": {"backendCa": ""}}}, "expose.ingress.backendCa is needed"),
        ("dev", {"secrets": {"inline": {"suite_redis_url": None}}}, "suite_redis_url"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_unsafe_value_fails_and_says_what_to_do(name: str, unsafe: Values, told: str) -> None:
    with pytest.raises(helm.HelmError, match=told):
        rendered(values_of(name, unsafe))


@pytest.mark.parametrize("name", SETS)
def test_what_a_set_takes_away_fails_too(name: str) -> None:
    """Without the three, a server could not be reached, or would refuse every token."""
    for needed in ("image", "publicUrl", "issuers"):
        told = {key: value for key, value in values_of(name).items() if key != needed}
        with pytest.raises(helm.HelmError):
            rendered(told)


def test_stage_is_prod_but_for_names_addresses_and_size() -> None:
    def flat(values: Any, path: str = "") -> dict[str, Any]:
        if not isinstance(values, dict):
            return {path: values}
        inner = cast("dict[str, Any]", values)
        return {where: one for key, value in inner.items() for where, one in flat(value, f"{path}.{key}").items()}

    stage, prod = flat(values_of("stage")), flat(values_of("prod"))
    differ = {path for path in stage.keys() | prod.keys() if stage.get(path) != prod.get(path)}
    assert differ == {
        *(".environment", ".publicUrl", ".issuers.main.url", ".trustedProxies", ".secrets.external.key"),
        *(".servers.mail.settings.smtp.host", ".each.replicas", ".each.autoscaling.minReplicas"),
        *(".each.autoscaling.maxReplicas", ".database.connections", ".spread.zones"),
        *(f".networkPolicy.egress.{each}.to" for each in ("database", "redis", "identity", "smtp")),
    }


def test_names_of_settings_and_of_issuers_are_those_of_the_programs() -> None:
    found = {name: SAID["$defs"][name]["enum"] for name in known()}
    assert found == known(), "write them anew: .venv/bin/python -m tests.charts.names"


def test_every_server_there_is_has_a_place_in_the_values() -> None:
    assert set(SAID["properties"]["servers"]["properties"]) == set(servers.names())
    assert set(helm.Chart.load(CHART).values["servers"]) == set(servers.names())


def test_the_schema_is_one_and_lets_no_unknown_name_pass_anywhere() -> None:
    Draft202012Validator.check_schema(SAID)
    closed = {"additionalProperties", "propertyNames", "maxProperties"}

    def open_ones(schema: Any, where: str) -> list[str]:
        if isinstance(schema, list):
            return [
                found
                for number, each in enumerate(cast("list[Any]", schema))
                for found in open_ones(each, f"{where}[{number}]")
            ]
        if not isinstance(schema, dict):
            return []
        inside = cast("dict[str, Any]", schema)
        own = [where] if inside.get("type") == "object" and not closed & inside.keys() else []
        return own + [found for key, each in inside.items() for found in open_ones(each, f"{where}.{key}")]

    assert open_ones({key: value for key, value in SAID.items() if key != "allOf"}, "") == []


def test_a_second_file_of_values_is_laid_over_the_first() -> None:
    assert over({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": 4}) == {"a": {"b": 3, "c": 2}, "d": 4}
