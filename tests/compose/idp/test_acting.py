from typing import Any

import pytest

from compose.idp.acting import acting
from shared.core.errors import Misconfigured
from tests.compose.idp.flow import CUSTOMERS, Flow

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("who", "act", "claims"),
    [
        ("manager", None, {"sub": "acme-sales-manager", "client_id": "mcp-suite", "act": None}),
        ("manager", "acme-sync", {"sub": "acme-sales-manager", "client_id": "acme-sync", "act": {"sub": "acme-sync"}}),
        ("acme-sync", None, {"sub": "acme-sync", "client_id": "acme-sync", "act": None, "acr": None}),
        ("acme-sync", "approver", {"sub": "acme-sync", "act": {"sub": "acme-approver"}, "acr": "aal2"}),
    ],
    ids=["person", "delegated", "service", "hybrid"],
)
async def test_a_minted_token_says_who_acts_in_each_model_of_trust(
    flow: Flow, who: str, act: str | None, claims: dict[str, Any]
) -> None:
    token = await flow.verified(flow.provider.mint(who, CUSTOMERS, **acting(who, act)))
    assert {name: token.claims.get(name) for name in claims} == claims


@pytest.mark.parametrize(
    ("who", "act", "said"),
    [
        ("nobody", None, "there is no persona 'nobody'"),
        ("manager", "nobody", "there is no persona 'nobody'"),
        ("manager", "support", "a machine acts for a persona"),
        ("acme-sync", "acme-triage", "a machine acts for a persona"),
        ("manager", "globex-sync", "of the same tenant"),
    ],
)
def test_who_cannot_act_for_whom_is_told(who: str, act: str | None, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        acting(who, act)
