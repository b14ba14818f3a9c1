"""Every page there is, for whoever walks them: add yours here."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Walked:
    """One page.

    Attributes:
        name: Of its screenshots.
        path: With `{…}` for what the tests made: see `made` in test_pages.py.
        persona: Who looks.
    """

    name: str
    path: str
    persona: str = "approver"

    def at(self, made: Mapping[str, str]) -> str:
        return self.path.format(**made)


PAGES = (
    Walked("approvals", "/approvals"),
    Walked("approval-mail", "/approvals/{mail}"),
    Walked("approval-nasty", "/approvals/{nasty}"),
    Walked("approval-of-mail-server", "/approvals/{real}"),
    Walked("edit-of-mail-server", "/approvals/{real}/edit"),
    Walked("approval-records", "/approvals/{records}"),
    Walked("approval-edited", "/approvals/{edited}"),
    Walked("approval-own", "/approvals/{own}", "manager"),
    Walked("approval-rejected", "/approvals/{rejected}"),
    Walked("approval-audited", "/approvals/{mail}", "auditor"),
    Walked("edit", "/approvals/{mail}/edit"),
    Walked("history", "/history"),
    Walked("requests", "/requests", "manager"),
    Walked("request", "/requests/{own}", "manager"),
    Walked("request-confirm", "/requests/{confirm}", "manager"),
    Walked("not-found", "/approvals/A-00000000000000000000000000"),
    Walked("not-allowed", "/approvals/{mail}/edit", "support"),
    Walked("audit", "/audit", "auditor"),
    Walked("audit-found", "/audit?person=acme-auditor&since=2020-01-01", "auditor"),
    Walked("audit-wrong", "/audit?since=yesterday", "auditor"),
    Walked("audit-check", "/audit/check", "auditor"),
    Walked("catalogue", "/catalogue", "admin"),
    Walked("stop-tool", "/catalogue/stop?kind=tool&server=customers&name=get_customer", "admin"),
    Walked("stop-person", "/catalogue/stop?kind=user", "admin"),
    Walked("stop-person-named", "/catalogue/stop?kind=user&name=acme-support-agent", "admin"),
    Walked("health", "/health", "admin"),
)
