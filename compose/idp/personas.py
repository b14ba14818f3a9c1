from dataclasses import dataclass


@dataclass(frozen=True)
class Persona:
    """Somebody to be, chosen on the sign-in page.

    Attributes:
        key: What the form and `mcp-suite token` call them.
        subject: `sub` of their tokens.
        acr: How strongly they are said to have signed in: `aal1` (a password) or `aal2` (two factors), after
            NIST SP 800-63B.
        scopes: What they may be granted, with everything it implies (`shared.core.scopes`).
    """

    key: str
    subject: str
    name: str
    summary: str
    tenant: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    acr: str


_CONSOLE = (
    *("approvals:own", "approvals:read", "approvals:decide", "audit:read", "audit:export"),
    *("catalogue:read", "switches:write", "health:read"),
)
"""All there is to do in the console."""

_ALL = (
    Persona(
        key="support",
        subject="acme-support-agent",
        name="Support agent",
        summary="Answers customers and works on tickets. Reads records, without personal data, and documents.",
        tenant="acme",
        roles=("support",),
        scopes=(
            *("customers:read", "customers:contact", "documents:read", "tickets:write", "tickets:internal"),
            *("mail:send", "approvals:own"),
        ),
        acr="aal1",
    ),
    Persona(
        key="manager",
        subject="acme-sales-manager",
        name="Sales manager",
        summary="Owns accounts. Changes records and sees personal data; writes documents, confidential ones too.",
        tenant="acme",
        roles=("sales", "manager"),
        scopes=(
            *("customers:write", "customers:pii", "customers:contact"),
            *("documents:write", "documents:restricted", "documents:pii"),
            *("tickets:bulk", "tickets:export", "tickets:internal", "tickets:pii"),
            *("mail:send", "mail:bulk", "mail:pii", "approvals:own", "approvals:decide"),
        ),
        acr="aal1",
    ),
    Persona(
        key="approver",
        subject="acme-approver",
        name="Approver",
        summary="Decides what others asked for. Reads records.",
        tenant="acme",
        roles=("approver",),
        scopes=(
            *("approvals:own", "approvals:decide", "customers:read", "documents:read", "tickets:read"),
            *("mail:read", "mail:pii"),
        ),
        acr="aal2",
    ),
    Persona(
        key="auditor",
        subject="acme-auditor",
        name="Auditor",
        summary="Reads the audit trail and the records it speaks of.",
        tenant="acme",
        roles=("auditor",),
        scopes=(
            *("audit:read", "audit:export", "approvals:own", "approvals:read", "catalogue:read", "health:read"),
            *("customers:read", "documents:confidential", "tickets:internal", "mail:read"),
        ),
        acr="aal2",
    ),
    Persona(
        key="admin",
        subject="acme-admin",
        name="Administrator",
        summary="May do everything with customers, documents, tickets and mail.",
        tenant="acme",
        roles=("admin",),
        scopes=("customers:admin", "documents:admin", "tickets:admin", "mail:admin", *_CONSOLE),
        acr="aal2",
    ),
    Persona(
        key="outsider",
        subject="globex-admin",
        name="Administrator of Globex",
        summary="May do everything, in the other tenant.",
        tenant="globex",
        roles=("admin",),
        scopes=("customers:admin", "documents:admin", "tickets:admin", "mail:admin", *_CONSOLE),
        acr="aal2",
    ),
)

PERSONAS = {persona.key: persona for persona in _ALL}
"""Everybody there is, by key, in the order of the page."""
