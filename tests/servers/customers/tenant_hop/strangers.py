"""Callers as the steps of the path know them: one, and those who differ from it by one thing."""

from dataclasses import replace
from typing import Any

from shared.core.caller import Caller
from tests.servers.customers.tenant_hop.people import TWIN

STRANGERS: dict[str, dict[str, Any]] = {
    "another tenant": {"tenant": "globex", "subject": "john"},
    TWIN: {"tenant": "globex"},
    "the same name of another issuer": {"issuer": "https://other.example"},
    "a colleague": {"subject": "john"},
    "another client": {"client": "phone"},
    "another login": {"session_id": "login-2"},
}
"""What is another of them than of the owner."""

SAME_PERSON = {"another client", "another login"}

HERE = {name for name, facts in STRANGERS.items() if "tenant" not in facts}
"""Those of the owner's tenant."""


def owner_of(word: str) -> Caller:
    """The owner, in a tenant of that test's own."""
    return Caller("jane", "https://idp.example", "desk", f"acme-{word}", frozenset(), session_id="login-1")


def somebody(owner: Caller, who: str) -> Caller:
    word = owner.tenant.partition("-")[2]
    facts = {name: f"{value}-{word}" if name == "tenant" else value for name, value in STRANGERS[who].items()}
    return replace(owner, **facts)
