"""The alerts of the chart and of docs/tls.md, by a real promtool: each fires where it must and nowhere else."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import of_kind, of_set
from tests.debian import program

CASES = Path(__file__).with_name("alerts-test.yml")
PAGE = Path(__file__).parents[2] / "docs" / "examples" / "certificates-rules.yml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rules as a Prometheus would have them, and their cases."""
    (rules,) = of_kind(of_set("prod"), "PrometheusRule")
    (tmp_path / "chart.yml").write_text(yaml.safe_dump(rules["spec"]))
    (tmp_path / "page.yml").write_text(PAGE.read_text())
    (tmp_path / "alerts-test.yml").write_text(CASES.read_text())
    return tmp_path


def judged(folder: Path) -> "subprocess.CompletedProcess[str]":
    found = program("prometheus", "usr/bin/promtool")
    words = [found.path, "test", "rules", "alerts-test.yml"]
    return subprocess.run(words, cwd=folder, env={**found.environment}, capture_output=True, text=True, check=False)


def test_each_fires_where_it_must_and_nowhere_else(folder: Path) -> None:
    done = judged(folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires(folder: Path) -> None:
    cases = yaml.safe_load(CASES.read_text())["tests"]
    fires = {one["alertname"] for case in cases for one in case["alert_rule_test"] if one.get("exp_alerts")}
    groups = [
        group for name in ("chart", "page") for group in yaml.safe_load((folder / f"{name}.yml").read_text())["groups"]
    ]
    assert fires == {rule["alert"] for group in groups for rule in group["rules"]}


def test_a_rule_that_does_not_see_a_server_without_pods_would_be_found(folder: Path) -> None:
    rules = yaml.safe_load((folder / "chart.yml").read_text())
    gone = rules["groups"][0]["rules"][0]
    gone["expr"] = gone["expr"].partition(" or ")[0]
    (folder / "chart.yml").write_text(yaml.safe_dump(rules))
    assert judged(folder).returncode != 0
