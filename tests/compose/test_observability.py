"""What Prometheus and Grafana are told: every metric is one the code tells, and the rules do what they say."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import servers
from compose.proxy.packages import Unreachable, unpack
from shared.ops.exposition import registry

ROOT = Path(__file__).parents[2]
HOME = ROOT / "compose" / "observability"
TOOLS = ROOT / ".venv" / ".tools"
RULES: dict[str, Any] = yaml.safe_load((HOME / "rules.yml").read_text())
DASHBOARD: dict[str, Any] = json.loads((HOME / "grafana" / "fleet.json").read_text())
PROMQL = {
    *(
        "sum",
        "by",
        "rate",
        "increase",
        "max",
        "min",
        "count",
        "histogram_quantile",
        "absent",
        "time",
        "and",
        "or",
        "unless",
    ),
}


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def alerts_anywhere() -> list[dict[str, Any]]:
    """Those of compose, of the chart, and of the pages."""
    chart: list[dict[str, Any]] = yaml.safe_load((ROOT / "charts/mcp-suite/alerts.yaml").read_text())
    pages: dict[str, Any] = yaml.safe_load((ROOT / "docs/examples/certificates-rules.yml").read_text())
    return [rule for rule in [*rules(), *chart, *pages["groups"][0]["rules"]] if "alert" in rule]


def asked() -> dict[str, str]:
    """Each expression, and where it stands."""
    found = {str(rule.get("record", rule.get("alert"))): str(rule["expr"]) for rule in rules()}
    for panel in DASHBOARD["panels"]:
        found |= {f"{panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return found


def told() -> set[str]:
    """Names of series, as Prometheus keeps them."""
    names = {"up", "ALERTS", *(rule["record"] for rule in rules() if "record" in rule)}
    for family in registry().collect():
        ends = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}.get(family.type, ("",))
        names |= {f"{family.name}{end}" for end in ends}
    return names


def named(expression: str) -> set[str]:
    bare = re.sub(r'\{[^}]*\}|\[[^\]]*\]|"[^"]*"|\b(?:by|on) ?\([^)]*\)|\boffset \w+', " ", expression)
    return set(re.findall(r"[a-zA-Z_][\w:]*", bare)) - PROMQL


@pytest.mark.parametrize("where", asked())
def test_every_metric_that_is_asked_for_is_told(where: str) -> None:
    assert named(asked()[where]) <= told(), where
    assert named(asked()[where])


def test_every_label_that_is_asked_for_is_one_of_the_metric() -> None:
    ours = {"job", "service", "instance", "alertname", "severity", "alertstate", "le"}
    labels = {label for family in registry().collect() for label in getattr(family, "_labelnames", ())}
    used = {label for text in asked().values() for label in re.findall(r"[{,] ?(\w+)(?:=|!=|=~|!~)\"", text)}
    used |= {
        one.strip()
        for text in asked().values()
        for found in re.findall(r"by \(([^)]*)\)", text)
        for one in found.split(",")
    }
    assert used - ours <= labels


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert alerts
    for alert in alerts:
        assert alert["annotations"].keys() == {"summary", "action", "runbook"}
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}


@pytest.mark.parametrize("alert", alerts_anywhere(), ids=lambda alert: alert["alert"])
def test_the_runbook_of_every_alert_is_a_page_that_names_it(alert: dict[str, Any]) -> None:
    page = (ROOT / alert["annotations"]["runbook"]).read_text("utf-8")
    assert f"`{alert['alert']}`" in page


def test_every_server_is_missed_when_it_has_no_replica_left() -> None:
    (gone,) = [rule for rule in rules() if rule.get("alert") == "SuiteServerGone"]
    assert set(re.findall(r'service="(\w+)"', gone["expr"])) == set(servers.names())


def test_every_alert_is_made_to_fire_by_the_tests_of_the_rules() -> None:
    tried: dict[str, Any] = yaml.safe_load((HOME / "rules-test.yml").read_text())
    fires = {case["alertname"] for test in tried["tests"] for case in test["alert_rule_test"] if case.get("exp_alerts")}
    assert fires == {rule["alert"] for rule in rules() if "alert" in rule}


@pytest.fixture(scope="module")
def promtool() -> str:
    if found := shutil.which("promtool"):
        return found
    program = TOOLS / "prometheus" / "usr/bin/promtool"
    try:
        unpack("prometheus", "usr/bin/promtool", TOOLS, program.exists)
    except Unreachable as error:
        pytest.skip(str(error))
    return str(program)


@pytest.mark.parametrize(
    "words",
    [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules-test.yml")],
)
def test_prometheus_takes_them(promtool: str, words: tuple[str, ...]) -> None:
    done = subprocess.run([promtool, *words], cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_is_wrong_is_found(promtool: str, tmp_path: Path) -> None:
    for name in ("rules.yml", "rules-test.yml"):
        shutil.copy(HOME / name, tmp_path)
    rules = tmp_path / "rules.yml"
    rules.write_text(rules.read_text().replace("suite:error_ratio:rate5m > 0.02", "suite:error_ratio:rate5m > 0.2"))
    done = subprocess.run(
        [promtool, "test", "rules", "rules-test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0


def test_the_collector_is_sent_what_servers_send() -> None:
    collector: dict[str, Any] = yaml.safe_load((HOME / "collector.yaml").read_text())
    assert collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")
    for pipeline in collector["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= collector[part].keys()
