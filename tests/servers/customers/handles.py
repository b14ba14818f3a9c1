"""Every tool with a handle in each place that takes one, to be filled with somebody else's or with nobody's."""

from dataclasses import asdict, dataclass
from typing import Any

from tests.harness import Suite


@dataclass(frozen=True)
class Handles:
    """One handle of each kind."""

    customer: str = "C-9999999999"
    order: str = "O-9999999999"
    change: str = "CH-9999999999"
    job: str = "J-99999999999999999999999999"


MISSING = Handles()
"""What nobody has. Real ones are as long, so that answers may be compared byte by byte."""

OWN = "<own>"
"""A customer of the caller's, at version 1."""

CASES: dict[str, list[dict[str, Any]]] = {
    "get_customer": [{"customer_id": "<customer>"}],
    "get_customers": [{"customer_ids": ["<customer>"]}],
    "search_customers": [{"query": "<customer>"}],
    "list_customer_orders": [{"customer_id": "<customer>"}],
    "get_order": [{"order_id": "<order>"}],
    "create_customer": [],
    "update_customer": [{"customer_id": "<customer>", "version": 1, "changes": {"city": "Ulm"}}],
    "archive_customer": [{"customer_id": "<customer>", "version": 1}],
    "restore_customer": [{"customer_id": "<customer>", "version": 1}],
    "export_customers": [],
    "get_job": [{"job_id": "<job>"}],
    "cancel_job": [{"job_id": "<job>"}],
    "merge_customers": [
        {"keep_id": "<customer>", "keep_version": 1, "duplicate_id": OWN, "duplicate_version": 1},
        {"keep_id": OWN, "keep_version": 1, "duplicate_id": "<customer>", "duplicate_version": 1},
    ],
    "list_customer_notes": [{"customer_id": "<customer>"}],
    "add_customer_note": [{"customer_id": "<customer>", "text": "Called."}],
    "undo_change": [{"change_id": "<change>"}],
    "resolve_contacts": [{"customer_ids": ["<customer>"]}],
}
"""`create_customer` and `export_customers` take no handle."""


def token_for(suite: Suite, tool: str, who: str = "admin") -> str:
    """A token to call a tool with: one of the tools is called by our mail server alone, for whom it works."""
    if tool != "resolve_contacts":
        return suite.token(who)
    mail, _ = suite.provider.resource_server(suite.url("mail"))
    return suite.token(who, client_id=mail, act={"sub": mail})


PROMPTS: dict[str, dict[str, str]] = {
    "prepare_account_review": {"customer_id": "<customer>"},
    "draft_customer_reply": {"customer_id": "<customer>", "topic": "A late delivery"},
}


def fill(value: Any, handles: Handles, own: str = "") -> Any:
    """The value with the handles in their places."""
    if isinstance(value, dict):
        return {key: fill(item, handles, own) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [fill(item, handles, own) for item in value]  # pyright: ignore[reportUnknownVariableType]
    places = {f"<{kind}>": handle for kind, handle in asdict(handles).items()} | {OWN: own}
    return places.get(value, value)


def hide(text: str, handles: Handles) -> str:
    """The text without what we sent ourselves."""
    for kind, handle in asdict(handles).items():
        text = text.replace(handle, f"<{kind}>")
    return text
