"""The settings and the rules of docs/tls.md are as it says."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.core import metrics
from shared.core.settings import Settings
from tests.docs.environment import settings_of
from tests.docs.fences import ROOT, claimed

INNER, STORES = claimed("docs/tls.md", 2)
RULES = ROOT / "docs" / "examples" / "certificates-rules.yml"


def test_the_settings_between_balancer_and_servers_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings_of(INNER, monkeypatch)
    assert read.base_url.startswith("https://")
    assert read.tls.client_names == ("balancer.internal",)
    assert (read.health_host, read.health_port) == ("0.0.0.0", 8081)


def test_the_settings_towards_postgresql_and_redis_verify_both(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings_of(STORES, monkeypatch)
    assert (read.database_ca, read.redis_ca) == (Path("/etc/mcp/postgresql-ca.pem"), Path("/etc/mcp/redis-ca.pem"))


def test_the_alerts_are_about_metrics_that_there_are() -> None:
    rules: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    named = {metric.name for metric in metrics.ALL}
    assert all(any(name in rule["expr"] for name in named) for rule in rules)
    page = (ROOT / "docs" / "tls.md").read_text("utf-8")
    ours = {name for name in named if name.startswith(("suite_certificate", "suite_tls"))}
    assert len(ours) == 3
    assert all(name in page for name in ours)


def test_every_setting_of_a_line_is_on_the_page_or_the_generated_one() -> None:
    page = (ROOT / "docs" / "tls.md").read_text("utf-8")
    for name in ("health_port", "health_host", "database_ca", "redis_ca", "database_unencrypted", "redis_unencrypted"):
        assert name in Settings.model_fields
        assert f"SUITE_{name.upper()}" in page
