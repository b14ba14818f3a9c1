"""What the chart renders, as a cluster would judge it, and as our own programs would take it."""

import json
import re
from pathlib import Path

import helm_python as helm
import jsonschema
import kubernetes_validate
import pytest
import yaml

import servers
from shared.core import metrics
from shared.core.settings import Settings
from shared.edge.address import Address
from tests.charts.custom import SPECS
from tests.charts.rendering import (
    CHART,
    NAMESPACE,
    NGINX,
    RELEASE,
    RENDERED,
    SETS,
    Manifest,
    Values,
    every_set,
    named,
    of_kind,
    of_set,
    pods,
    values_of,
)

KUBERNETES = ("1.31", "1.37")
"""The oldest that Chart.yaml takes, and the newest whose schemas we have."""

PROD = of_set("prod")


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_nothing_to_complain_of_but_a_missing_icon(name: str) -> None:
    report = helm.lint(CHART, values_of(name), strict=True, namespace=NAMESPACE)
    assert report["errors"] == []
    assert [each["error"] for each in report["messages"]] == ["icon is recommended"]


def test_every_manifest_fits_the_schemas_of_kubernetes() -> None:
    """What several sets have in common is judged once."""
    every = {json.dumps(each, sort_keys=True) for name, more in RENDERED for each in of_set(name, more)}
    assert len(every) > 80
    for manifest in map(json.loads, every):
        spec = SPECS.get((manifest["apiVersion"], manifest["kind"]))
        if spec is not None:
            jsonschema.validate(manifest["spec"], spec)
        else:
            kubernetes_validate.validate(manifest, KUBERNETES[-1], strict=True)


def test_the_oldest_kubernetes_that_is_let_in_takes_them_too() -> None:
    for manifest in PROD:
        if (manifest["apiVersion"], manifest["kind"]) not in SPECS:
            kubernetes_validate.validate(manifest, KUBERNETES[0], strict=True)


def test_a_misspelt_field_would_not_fit() -> None:
    broken = json.loads(json.dumps(named(PROD, "Deployment", "mcp-suite-mail")))
    broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        kubernetes_validate.validate(broken, KUBERNETES[-1], strict=True)


@every_set
def test_every_kind_is_judged_by_one_or_the_other(name: str, more: Values) -> None:
    kinds = {(each["apiVersion"], each["kind"]) for each in of_set(name, more)}
    assert {kind for _, kind in kinds} >= {
        "Deployment",
        "Service",
        "Job",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Pod",
    }
    ours = {
        kind for kind in kinds if "." in kind[0].partition("/")[0] and not kind[0].partition("/")[0].endswith("k8s.io")
    }
    assert ours <= SPECS.keys()


@every_set
def test_every_pod_keeps_to_pod_security_restricted(name: str, more: Values) -> None:
    found = pods(of_set(name, more))
    assert len(found) == len(servers.names()) + 2
    for pod in found.values():
        spec = pod["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {kind for volume in spec.get("volumes", ()) for kind in volume.keys() - {"name"}} <= {
            *("emptyDir", "secret", "configMap", "projected")
        }
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert (
                container["resources"]["limits"].keys()
                == container["resources"]["requests"].keys()
                == {"cpu", "memory"}
            )
            assert not {"hostPort"} & {key for port in container.get("ports", ()) for key in port}


@every_set
def test_selectors_select_the_pods_they_are_meant_for_and_no_others(name: str, more: Values) -> None:
    manifests = of_set(name, more)
    every = pods(manifests)

    def selected(selector: dict[str, str]) -> set[str]:
        assert selector
        return {pod for pod, made in every.items() if selector.items() <= made["metadata"]["labels"].items()}

    for server in servers.names():
        mine = f"mcp-suite-{server}"
        deployment = named(manifests, "Deployment", mine)["spec"]
        assert selected(deployment["selector"]["matchLabels"]) == {mine}
        assert selected(named(manifests, "Service", mine)["spec"]["selector"]) == {mine}
        assert selected(named(manifests, "PodDisruptionBudget", mine)["spec"]["selector"]["matchLabels"]) == {mine}
        for constraint in deployment["template"]["spec"]["topologySpreadConstraints"]:
            assert selected(constraint["labelSelector"]["matchLabels"]) == {mine}
    for monitor in of_kind(manifests, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        chosen = [each for each in of_kind(manifests, "Service") if wanted <= each["metadata"]["labels"].items()]
        assert [each["metadata"]["name"] for each in chosen] == [monitor["metadata"]["name"]]
        assert monitor["spec"]["endpoints"][0]["port"] in {port["name"] for port in chosen[0]["spec"]["ports"]}
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        target = named(manifests, "Deployment", scaler["spec"]["scaleTargetRef"]["name"])
        assert "replicas" not in target["spec"], "an upgrade would undo what the autoscaler did"


def routes(manifests: list[Manifest]) -> dict[str, str]:
    """Which server each path that can be reached from outside belongs to."""
    found: dict[str, str] = {}
    for ingress in of_kind(manifests, "Ingress"):
        for path in ingress["spec"]["rules"][0]["http"]["paths"]:
            found[path["path"]] = path["backend"]["service"]["name"]
    for route in of_kind(manifests, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            found |= {match["path"]["value"]: rule["backendRefs"][0]["name"] for match in rule["matches"]}
    return found


@every_set
def test_what_can_be_reached_from_outside_is_what_servers_offer_and_nothing_else(name: str, more: Values) -> None:
    manifests = of_set(name, more)
    offered: dict[str, str] = {}
    for server in servers.every():
        address = Address.at(server, "https://mcp.example.com", alone=False)
        known = [address.path, *address.metadata_paths] if server.web is None else [address.path]
        offered |= dict.fromkeys(known, f"{RELEASE}-{server.name}")
    assert routes(manifests) == offered
    ports = {port["port"] for each in of_kind(manifests, "Service") for port in each["spec"]["ports"]}
    assert all(
        each["spec"]["type"] == "ClusterIP" and each["spec"]["sessionAffinity"] == "None"
        for each in of_kind(manifests, "Service")
    )
    assert ports - {8081, 9464} == ({8443} if name != "dev" else {8080})


def test_nginx_neither_buffers_nor_cuts_streams_and_shows_its_certificate() -> None:
    (ingress,) = of_kind(of_set("prod", NGINX), "Ingress")
    said = {name.rpartition("/")[2]: value for name, value in ingress["metadata"]["annotations"].items()}
    assert (said["proxy-buffering"], said["proxy-read-timeout"]) == ("off", "3600")
    assert (said["backend-protocol"], said["proxy-ssl-verify"], said["proxy-ssl-secret"]) == (
        "HTTPS",
        "on",
        "ingress/balancer",
    )
    limit = Settings.model_fields["body_limit_bytes"].default
    assert int(said["proxy-body-size"].removesuffix("k")) * 1024 == limit + 64 * 1024
    (certificate,) = [each for each in of_kind(PROD, "Certificate") if each["metadata"]["name"] == "mcp-suite-tls"]
    assert said["proxy-ssl-name"] in certificate["spec"]["dnsNames"]


def test_the_autoscaler_asks_for_a_metric_of_ours_which_the_adapter_hands_on() -> None:
    told = {metric.name for metric in metrics.ALL}
    adapter = yaml.safe_load((CHART / "adapter.yaml").read_text())
    handed_on = {rule["name"]["as"] for rule in adapter["rules"]["custom"]}
    scalers = of_kind(PROD, "HorizontalPodAutoscaler")
    assert len(scalers) == len(servers.names())
    for scaler in scalers:
        cpu, own = scaler["spec"]["metrics"]
        assert cpu["resource"]["name"] == "cpu"
        assert own["pods"]["metric"]["name"] in handed_on & told


def test_alerts_name_metrics_of_ours() -> None:
    known = {metric.name for metric in metrics.ALL} | {"up"}
    (rules,) = of_kind(PROD, "PrometheusRule")
    for rule in rules["spec"]["groups"][0]["rules"]:
        used = re.findall(r"(\w+)\{namespace=\"mcp\"", rule["expr"])
        assert used
        assert set(used) <= known, rule["alert"]


def test_a_server_that_is_switched_off_leaves_nothing_behind() -> None:
    left = of_set("prod", {"servers": {"tickets": {"enabled": False}}})
    assert "tickets" not in json.dumps(left)


def test_notes_tell_where_clients_connect_and_what_is_missing() -> None:
    chart = helm.Chart.load(CHART)
    files = chart.render(values_of("prod"), name=RELEASE, namespace=NAMESPACE)
    notes = files["mcp-suite/templates/NOTES.txt"]
    for said in ("https://mcp.example.com/customers/mcp", "https://mcp.example.com/console\n", "helm test mcp-suite"):
        assert said in notes


def test_the_chart_is_released_with_the_programs() -> None:
    said = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = re.search(r'^version = "(.+)"$', Path("pyproject.toml").read_text(), re.MULTILINE)
    assert project
    assert said["version"] == said["appVersion"] == project[1]
    assert said["kubeVersion"] == f">={KUBERNETES[0]}.0-0"
