"""Who may reach whom in a cluster that keeps to NetworkPolicies."""

import pytest

import servers
from tests.charts.reach import End, may_reach
from tests.charts.rendering import NAMESPACE, Manifest, of_kind, of_set, pods

PROD = of_set("prod")
OURS = {
    name.removeprefix("mcp-suite-"): End("10.30.1.1", NAMESPACE, pod["metadata"]["labels"])
    for name, pod in pods(PROD).items()
}
OUTSIDE = {
    "ingress": End("10.30.9.9", "ingress", {"app": "haproxy"}),
    "prometheus": End("10.30.9.8", "monitoring", {"app": "prometheus"}),
    "stranger": End("10.30.9.7", "elsewhere", {"app": "web"}),
    "neighbour": End("10.30.9.6", NAMESPACE, {"app": "web"}),
    "dns": End("10.30.9.5", "kube-system", {"k8s-app": "kube-dns"}),
    "database": End("10.31.0.4"),
    "redis": End("10.31.0.20"),
    "identity": End("198.51.100.10"),
    "smtp": End("198.51.100.25"),
    "internet": End("203.0.113.1"),
    "cloud metadata": End("169.254.169.254"),
}
ENDS = OURS | OUTSIDE
SERVERS = servers.names()

MAY = {
    *(("ingress", name, 8080) for name in SERVERS),
    *(("prometheus", name, 9464) for name in SERVERS),
    *(("test", name, 8081) for name in SERVERS),
    *((name, "dns", 53) for name in (*SERVERS, "migrations", "test")),
    *((name, "database", 5432) for name in (*SERVERS, "migrations")),
    *((name, "database", 6432) for name in (*SERVERS, "migrations")),
    *((name, "redis", 6379) for name in (*SERVERS, "migrations")),
    *((name, "identity", 443) for name in SERVERS),
    *((name, "prometheus", 4318) for name in SERVERS),  # the collector is in the same namespace
    *(("mail", "ingress", port) for port in (443, 8443)),  # asks customers and documents through the public name
    *((name, "smtp", 587) for name in ("mail", "console")),  # the console tells approvers
}
"""All that may be; whatever else is tried may not."""

PORTS = (25, 53, 80, 443, 587, 4318, 5432, 6379, 6432, 8080, 8081, 8443, 9464)


def test_pods_reach_and_are_reached_by_exactly_those_of_the_table() -> None:
    ours = set(OURS)
    pairs = [(a, b) for a in ENDS for b in ENDS if a != b and ours & {a, b}]
    found = {(a, b, port) for a, b in pairs for port in PORTS if may_reach(PROD, ENDS[a], ENDS[b], port)}
    assert found == MAY


def test_names_are_looked_up_over_udp_too() -> None:
    assert all(may_reach(PROD, ENDS[name], ENDS["dns"], 53, "UDP") for name in OURS)
    assert not may_reach(PROD, ENDS["customers"], ENDS["dns"], 5353, "UDP")


def test_every_server_there_is_has_its_pods_in_the_table() -> None:
    assert OURS.keys() == {*SERVERS, "migrations", "test"}


def _without(name: str) -> list[Manifest]:
    return [each for each in PROD if each["metadata"]["name"] != name or each["kind"] != "NetworkPolicy"]


def test_the_policy_that_closes_everything_closes_pods_that_no_other_names() -> None:
    new = End("10.30.1.9", NAMESPACE, {**OURS["mail"].labels, "app.kubernetes.io/component": "fifth"})
    bare = End("10.30.1.8", NAMESPACE, {k: v for k, v in new.labels.items() if k != "mcp-suite/serves"})
    assert not may_reach(PROD, bare, OUTSIDE["internet"], 443)
    assert not may_reach(PROD, OUTSIDE["ingress"], bare, 8080)
    assert may_reach(_without("mcp-suite-nothing"), bare, OUTSIDE["internet"], 443)


def test_what_the_job_needs_is_there_before_the_job() -> None:
    hooks = {
        (each["kind"], each["metadata"]["name"]): int(each["metadata"]["annotations"]["helm.sh/hook-weight"])
        for each in PROD
        if "pre-upgrade" in each["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    }
    job = hooks.pop(("Job", "mcp-suite-migrations"))
    assert hooks.keys() == {
        ("NetworkPolicy", "mcp-suite-out-of-migrations"),
        ("ServiceAccount", "mcp-suite-migrations"),
        ("ExternalSecret", "mcp-suite-migrations"),
    }
    assert all(weight < job for weight in hooks.values())


@pytest.mark.parametrize("name", ["dev", "stage"])
def test_nothing_comes_in_past_the_balancer_in_the_other_sets(name: str) -> None:
    manifests = of_set(name)
    assert of_kind(manifests, "NetworkPolicy")
    pod = End("10.0.1.1", NAMESPACE, pods(manifests)["mcp-suite-customers"]["metadata"]["labels"])
    assert may_reach(manifests, OUTSIDE["ingress"], pod, 8080)
    assert not any(may_reach(manifests, OUTSIDE[who], pod, 8080) for who in ("stranger", "neighbour", "internet"))
