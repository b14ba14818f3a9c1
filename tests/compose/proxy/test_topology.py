"""What reaches a configuration cannot change its meaning."""

from typing import Any

import pytest

from compose.proxy.render import Files, render
from compose.proxy.topology import Replica, Topology
from shared.core.errors import Misconfigured

EVIL = "a:1\n    server evil evil.example:1"


@pytest.mark.parametrize(
    "told",
    [
        {"servers": {"customers": [Replica("a", EVIL)]}},
        {"servers": {"customers": [Replica("a b", "a:1")]}},
        {"servers": {"customers; x": [Replica("a", "a:1")]}},
        {"servers": {"customers": []}},
        {"identity_provider": EVIL},
        {"host": "0.0.0.0:80 ssl"},
    ],
    ids=lambda told: str(told)[:40],
)
def test_names_and_addresses_are_names_and_addresses(told: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match="no balancer can serve"):
        Topology(**told)


def test_everything_that_differs_is_filled_in() -> None:
    topology = Topology({"customers": [Replica("a", "127.0.0.1:1")]}, "127.0.0.1:2")
    for kind in ("haproxy", "nginx"):
        assert "@{" not in render(kind, topology, Files())
