"""Who may reach whom under NetworkPolicies, as Kubernetes defines it: what no policy selects is open, what one selects
is closed but for what any of them allows; a connection has to be let out on one side and in on the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.charts.rendering import NAMESPACE, Manifest, of_kind

NAME_OF_NAMESPACE = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address outside of the cluster (`namespace` is empty)."""

    address: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


def may_reach(manifests: list[Manifest], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    policies = of_kind(manifests, "NetworkPolicy")
    out = _allowed(policies, "Egress", source, target, port, protocol)
    return out and _allowed(policies, "Ingress", target, source, port, protocol)


def _allowed(policies: list[Manifest], way: str, held: End, other: End, port: int, protocol: str) -> bool:
    """Whether policies over `held` let the connection with `other` pass; all policies are in one namespace."""
    over = [each["spec"] for each in policies if way in each["spec"]["policyTypes"] and _selects(each, held)]
    if not over:
        return True
    key, peers = ("egress", "to") if way == "Egress" else ("ingress", "from")
    rules: list[dict[str, Any]] = [rule for spec in over for rule in spec.get(key, [])]
    return any(_of_peers(rule.get(peers), other) and _of_ports(rule.get("ports"), port, protocol) for rule in rules)


def _selects(policy: Manifest, pod: End) -> bool:
    return pod.namespace == NAMESPACE and _matches(policy["spec"]["podSelector"], pod.labels)


def _of_peers(peers: list[dict[str, Any]] | None, end: End) -> bool:
    return not peers or any(_is_peer(peer, end) for peer in peers)  # none given: everybody


def _is_peer(peer: dict[str, Any], end: End) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        address = ip_address(end.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(each) for each in block.get("except", ())
        )
    if not end.namespace:
        return False
    if "namespaceSelector" in peer:
        here = _matches(peer["namespaceSelector"], {NAME_OF_NAMESPACE: end.namespace})
    else:
        here = end.namespace == NAMESPACE
    return here and _matches(peer.get("podSelector", {}), end.labels)


def _of_ports(ports: list[dict[str, Any]] | None, port: int, protocol: str) -> bool:
    return not ports or any(each["port"] == port and each["protocol"] == protocol for each in ports)


def _matches(selector: dict[str, Any], labels: Mapping[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}, "the sets use no expressions; teach this one if they do"
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
