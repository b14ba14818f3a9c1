"""The page on Kubernetes: its commands take the chart that is there, its tables are what the chart renders."""

import argparse
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from shared.core.settings import Settings
from tests.charts.rendering import RELEASE, SECRETS, chart, over, rendered, values_of
from tests.charts.test_network import MAY, OURS
from tests.docs.fences import claimed
from tests.docs.talks import rows

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy-on-kubernetes.md").read_text("utf-8")
INSTALL, LABEL, SECRET, BACK = claimed("docs/deploy-on-kubernetes.md", 4)


def helm(line: str) -> argparse.Namespace:
    """What we say to Helm; it stops at an option that Helm does not have."""
    said = argparse.ArgumentParser(exit_on_error=False)
    said.add_argument("command", nargs="+")
    said.add_argument("--namespace", required=True)
    said.add_argument("--values", action="append", default=[])
    said.add_argument("--timeout")
    for flag in ("--install", "--create-namespace", "--wait"):
        said.add_argument(flag, action="store_true")
    program, *words = shlex.split(line)
    assert program == "helm"
    return said.parse_intermixed_args(words)


def test_what_is_installed_is_a_chart_and_a_set_that_are_there() -> None:
    install, test = (helm(line) for line in INSTALL.splitlines())
    assert install.command == ["upgrade", RELEASE, "charts/mcp-suite"]
    assert test.command == ["test", RELEASE]
    assert (ROOT / install.command[2] / "Chart.yaml").exists()
    assert [Path(each).stem for each in install.values] == ["prod"]
    (job,) = [each for each in rendered(values_of("prod"), upgrade=True) if each["kind"] == "Job"]
    assert install.timeout.endswith("m")
    assert int(install.timeout[:-1]) * 60 > job["spec"]["activeDeadlineSeconds"], "Helm waits for the job"
    assert helm(BACK).command == ["rollback", RELEASE]
    assert {install.namespace, test.namespace, helm(BACK).namespace} == {"mcp"}


def test_a_folder_of_files_becomes_the_secrets_that_the_chart_mounts(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("this machine has no kubectl")
    for line, files in zip(SECRET.splitlines(), (SECRETS, {"suite_database_owner_url": "postgresql://…"}), strict=True):
        program, *words = shlex.split(line)
        assert program == "kubectl"
        folder = tmp_path / words[-1].removeprefix("--from-file=")
        folder.mkdir(parents=True)
        for name, value in files.items():
            (folder / name).write_text(value)
        tried = [kubectl, *words, "--dry-run=client", "--output=jsonpath={.metadata.name} {.data}"]
        done = subprocess.run(tried, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.split()[0] in {"mcp-suite", "mcp-suite-migrations"}
        assert all(f'"{name}":' in done.stdout for name in files)


def test_the_secrets_that_are_expected_are_those_of_the_values() -> None:
    existing = over(values_of("prod"), {"secrets": {"source": "existing"}})
    kinds = {each["kind"] for each in rendered(existing)}
    assert not {"Secret", "ExternalSecret"} & kinds
    names = set(re.findall(r"secret generic (\S+)", SECRET))
    mounted = {
        volume["secret"]["secretName"]
        for each in rendered(existing)
        if each["kind"] in {"Deployment", "Job"}
        for volume in each["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "secrets"
    }
    assert mounted == names


def test_a_pod_takes_as_many_requests_as_the_page_says() -> None:
    takes = Settings.model_fields["max_in_flight"].default
    assert f"A pod takes {takes} requests at a time" in PAGE
    assert f"the target of {chart().values['each']['autoscaling']['inFlight']} leaves" in PAGE


def test_the_label_is_the_one_that_pod_security_admission_reads() -> None:
    assert shlex.split(LABEL)[-1] == "pod-security.kubernetes.io/enforce=restricted"


def test_the_table_of_the_network_is_what_the_policies_let_pass() -> None:
    who = {"servers": set(OURS) - {"migrations", "test"}, "`helm test`": {"test"}}
    ends = {
        "ingress controller": {"ingress"},
        "Prometheus": {"prometheus"},
        "DNS": {"dns"},
        "PostgreSQL": {"database"},
        "PgBouncer": {"database"},
        "Redis": {"redis"},
        "identity provider": {"identity"},
        "collector": {"prometheus"},
        "SMTP relay": {"smtp"},
    }
    named = who | ends | {name: {name} for name in OURS}
    told: set[tuple[str, str, int]] = set()
    for sources, targets, ports in rows(PAGE, "Nothing comes in"):
        groups = zip(targets.split(";"), ports.split(";"), strict=True) if ";" in targets else [(targets, ports)]
        for target, numbers in groups:
            plain = target.partition(", to ask")[0]
            every = [each.strip() for each in plain.split(",")]
            wanted = [int(each) for each in numbers.split(",")]
            pairs = zip(every, wanted, strict=True) if len(every) > 1 else [(every[0], port) for port in wanted]
            for name, port in pairs:
                for source in sources.split(","):
                    told |= {(a, b, port) for a in named[source.strip()] for b in named[name]}
    assert told | {("test", "dns", 53)} == MAY
