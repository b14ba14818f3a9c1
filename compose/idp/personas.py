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


_ALL = (
    Persona(
        key="support",
        subject="acme-support-agent",
        name="Support agent",
        summary="Answers customers and works on tickets. Reads records, without personal data, and documents.",
        tenant="acme",
        roles=("support",),
        scopes=("customers:read", "documents:read", "tickets:write", "tickets:internal"),
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
            *("customers:write", "customers:pii", "documents:write", "documents:restricted", "documents:pii"),
            *("tickets:bulk", "tickets:export", "tickets:internal", "tickets:pii"),
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
        scopes=("approvals:decide", "customers:read", "documents:read", "tickets:read"),
        acr="aal2",
    ),
    Persona(
        key="auditor",
        subject="acme-auditor",
        name="Auditor",
        summary="Reads the audit trail and the records it speaks of.",
        tenant="acme",
        roles=("auditor",),
        scopes=("audit:read", "customers:read", "documents:confidential", "tickets:internal"),
        acr="aal2",
    ),
    Persona(
        key="admin",
        subject="acme-admin",
        name="Administrator",
        summary="May do everything with customers, documents and tickets.",
        tenant="acme",
        roles=("admin",),
        scopes=("customers:admin", "documents:admin", "tickets:admin", "audit:read"),
        acr="aal2",
    ),
    Persona(
        key="outsider",
        subject="globex-admin",
        name="Administrator of Globex",
        summary="May do everything, in the other tenant.",
        tenant="globex",
        roles=("admin",),
        scopes=("customers:admin", "documents:admin", "tickets:admin"),
        acr="aal2",
    ),
)

PERSONAS = {persona.key: persona for persona in _ALL}
"""Everybody there is, by key, in the order of the page."""
