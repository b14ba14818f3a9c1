"""The chart as Helm renders it: once for each set of values."""

import base64
import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import helm_python as helm
import pytest
import yaml

from shared.core.settings import Settings

CHART = Path(__file__).parents[2] / "charts" / "mcp-suite"
SETS = ("dev", "stage", "prod")
RELEASE = "mcp-suite"
NAMESPACE = "mcp"

Manifest = dict[str, Any]
Values = dict[str, Any]

GATEWAY: Values = {
    "expose": {"kind": "gateway", "gateway": {"parents": [{"name": "public"}], "backendCa": "inside-authority"}}
}
NGINX: Values = {"expose": {"ingress": {"controller": "nginx"}}}
EVERYTHING: Values = {
    "image": {"pullSecrets": ["registry"]},
    "vault": {"enabled": True, "url": "https://vault.example.com", "role": "mcp-suite"},
    "trust": {"kind": "ConfigMap", "name": "authorities", "key": "all.pem"},
    "policies": "policies",
    "database": {"clientCertificate": "shown-to-postgresql"},
    "redis": {"clientCertificate": "shown-to-redis"},
    "priorityClassName": "important",
    "nodeSelector": {"pool": "mcp"},
    "tolerations": [{"key": "mcp", "operator": "Exists", "effect": "NoSchedule"}],
    "podLabels": {"team": "platform"},
    "podAnnotations": {"example.com/note": "ours"},
    "monitoring": {"labels": {"release": "prometheus"}},
    "each": {"extraEnv": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]},
}
RENDERED: list[tuple[str, Values]] = [
    *((name, {}) for name in SETS),
    ("prod", GATEWAY),
    ("prod", NGINX),
    ("prod", EVERYTHING),
]
every_set = pytest.mark.parametrize(
    ("name", "more"), RENDERED, ids=[*SETS, "prod-gateway", "prod-nginx", "prod-everything"]
)

SECRETS = {
    "suite_database_url": "postgresql://suite_app:app@db.example.com/suite",
    "suite_database_owner_url": "postgresql://suite_owner:owner@db.example.com/suite",
    "suite_database_console_url": "postgresql://suite_console:console@db.example.com/suite",
    "suite_redis_url": "redis://redis.example.com:6379/0",
    "suite_issuers__main__clients__mail__client_secret": "the mail server's secret",
    **{
        f"suite_{name}": base64.b64encode(sha256(name.encode()).digest()).decode()
        for name in Settings.model_fields
        if name.endswith("_keys")
    },
}
"""What a trial is given, as docs/deploy-on-kubernetes.md has people do."""


def values_of(name: str, *more: Values) -> Values:
    """One of the sets with more over it, as `helm --values` twice; `dev` is given the secrets of a trial."""
    told = helm.values_from_yaml((CHART / "values" / f"{name}.yaml").read_text())
    if name == "dev":
        told = over(told, {"secrets": {"inline": SECRETS}})
    for each in more:
        told = over(told, each)
    return told


def over(below: Values, above: Values) -> Values:
    both = dict(below)
    for key, value in above.items():
        inner = both.get(key)
        if isinstance(value, dict) and isinstance(inner, dict):
            both[key] = over(cast("Values", inner), cast("Values", value))
        else:
            both[key] = value
    return both


@cache
def chart() -> helm.Chart:
    return helm.Chart.load(CHART)


def rendered(values: Values, *, upgrade: bool = False) -> list[Manifest]:
    """Every manifest, those of hooks too.

    Raises:
        helm.HelmError: The values are refused.
    """
    chart().validate_schema(values)
    files = chart().render(values, name=RELEASE, namespace=NAMESPACE, is_install=not upgrade, is_upgrade=upgrade)
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


@cache
def _set(name: str, more: str) -> list[Manifest]:
    return rendered(values_of(name, json.loads(more)))


def of_set(name: str, more: Values | None = None) -> list[Manifest]:
    """As `rendered`, kept: not to be changed."""
    return _set(name, json.dumps(more or {}, sort_keys=True))


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] in kinds]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    return found


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Pods and templates of pods, each with metadata and spec, by name of what makes them."""
    made = {each["metadata"]["name"]: each["spec"]["template"] for each in of_kind(manifests, "Deployment", "Job")}
    return made | {each["metadata"]["name"]: each for each in of_kind(manifests, "Pod")}


def environment(pod: Manifest) -> dict[str, str]:
    """Of its first container; variables that come from elsewhere are left out."""
    return {each["name"]: each["value"] for each in pod["spec"]["containers"][0].get("env", []) if "value" in each}
