"""Servers of a fleet ask each other through its balancer, each as its own client of the provider."""

import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.fleet import open_drill
from tests.harness import modern, modern_headers

pytestmark = pytest.mark.anyio


async def test_a_replica_asks_another_server_through_the_balancer(tmp_path: Path) -> None:
    async with open_drill(tmp_path, names=("customers", "tests.asking"), replicas=1) as drill:
        plan = drill.fleet.plan
        token = plan.provider().mint("support", plan.url("mail"))
        params: dict[str, Any] = {"name": "resolve", "arguments": {"customer_ids": ["C-000001", "C-ZZZZZZ"]}}
        headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=plan.authority), timeout=30) as http:
            answer = await http.post(plan.url("mail"), json=modern("tools/call", params), headers=headers)
        told = answer.json()["result"]["structuredContent"]
        assert told.get("missing") == [{"id": "C-ZZZZZZ", "why": "unknown", "merged_into": None}], told
        environments = {name: group[0].environment for name, group in drill.fleet.replicas.items()}
        secrets = {name: {key for key in told if key.endswith("CLIENT_SECRET")} for name, told in environments.items()}
        assert {name: len(found) for name, found in secrets.items()} == {"customers": 1, "mail": 1}
        assert not secrets["customers"] & secrets["mail"]
