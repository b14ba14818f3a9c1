"""Who may read what, from the rule as people are told it; nothing of the server's is imported here.

A document has a classification and a list of readers. Somebody may read it who works for its tenant, is cleared for its
classification, and is among its readers. Clearance is a scope that the token has *and* that one of the roles may hold.
An earlier version is a document of its own in this: it has the classification and the readers it was written with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

OTHER_ISSUER = "https://other.example"

CLASSES = ("public", "internal", "confidential", "restricted")
NEEDED = {"public": "read", "internal": "read", "confidential": "confidential", "restricted": "restricted"}
"""What clears for a class."""

GIVES = {
    "read": {"read"},
    "write": {"read", "write"},
    "confidential": {"read", "confidential"},
    "restricted": {"read", "confidential", "restricted"},
    "admin": {"read", "write", "confidential", "restricted", "admin"},
}
"""What a scope of the token stands for."""

_READERS = {"support", "sales", "approver", "auditor", "agent", "service", "manager", "admin"}
HELD_BY = {
    "read": _READERS,
    "write": {"manager", "service", "admin"},
    "confidential": {"manager", "auditor", "admin"},
    "restricted": {"manager", "admin"},
    "admin": {"admin"},
}
"""The roles that may hold each."""


@dataclass(frozen=True)
class Who:
    """A caller.

    Attributes:
        persona: Whose token it is.
        roles: Of the token.
        verbs: Of its scopes of documents: `read`, `write` …
        issuer: None is the suite's own provider.
        claims: More of the token.
    """

    key: str
    persona: str
    subject: str
    roles: Sequence[str]
    verbs: Sequence[str]
    tenant: str = "acme"
    issuer: str | None = None
    claims: dict[str, Any] = field(default_factory=dict[str, Any], hash=False)

    @property
    def granted(self) -> set[str]:
        return {given for verb in self.verbs for given in GIVES[verb]}

    @property
    def may_hold(self) -> set[str]:
        return {verb for verb, roles in HELD_BY.items() if roles & {*self.roles}}

    @property
    def holds(self) -> set[str]:
        return self.granted & self.may_hold

    def wire_claims(self) -> dict[str, Any]:
        """What the token says other than the persona's own."""
        iss = {"iss": self.issuer} if self.issuer else {}
        return {"sub": self.subject, "tenant": self.tenant, "roles": [*self.roles], **iss, **self.claims}


@dataclass(frozen=True)
class Kind:
    """What decides who may read a document or a version of it.

    Attributes:
        readers: `tenant`, `role:…`, or `user:…` with the issuer after an `@`, `OWN` for the suite's own.
    """

    classification: str
    readers: tuple[str, ...]


def may_read(who: Who, tenant: str, *kinds: Kind) -> bool:
    """Whether the caller may read a document of that kind; of several kinds, what is of all of them."""
    return who.tenant == tenant and all(_may(who, kind) for kind in kinds)


def _may(who: Who, kind: Kind) -> bool:
    me = f"user:{who.subject}@{who.issuer or 'OWN'}"
    is_reader = any(each in {"tenant", me} or each in {f"role:{role}" for role in who.roles} for each in kind.readers)
    return "read" in who.holds and NEEDED[kind.classification] in who.holds and is_reader


_SUPPORT, _MANAGER = "acme-support-agent", "acme-sales-manager"
_HOSTILE = ('x","class:restricted","role:manager', "x' | !'y", "x\\", "x:*", "tenant", "%", "r" * 3000)

READERS: tuple[tuple[str, ...], ...] = (
    ("tenant",),
    ("role:manager",),
    ("role:support", "role:auditor", f"role:{_HOSTILE[0]}"),
    (f"user:{_SUPPORT}@OWN",),
    (f"user:{_MANAGER}@{OTHER_ISSUER}",),
    ("role:admin", "user:acme-approver@OWN", "user:acme-auditor@OWN"),
)
KINDS = tuple(
    Kind(classification, readers)
    for classification in CLASSES
    for readers in READERS
    if not (classification == "restricted" and readers == ("tenant",))  # restricted documents name their readers
)

PERSONAS = (
    Who("support", "support", _SUPPORT, ["support"], ["read"]),
    Who("manager", "manager", _MANAGER, ["sales", "manager"], ["write", "restricted"]),
    Who("approver", "approver", "acme-approver", ["approver"], ["read"]),
    Who("auditor", "auditor", "acme-auditor", ["auditor"], ["confidential"]),
    Who("admin", "admin", "acme-admin", ["admin"], ["admin"]),
    Who("outsider", "outsider", "globex-admin", ["admin"], ["admin"], tenant="globex"),
)
_BY_AN_AGENT = {"act": {"sub": "acme-triage"}}
VARIANTS = (
    Who("the triage agent", "acme-triage", "acme-triage", ["agent"], ["read"]),
    Who("an agent alone that claims all", "acme-triage", "acme-triage", ["agent"], ["admin"]),
    Who("the nightly job", "acme-sync", "acme-sync", ["service"], ["write"]),
    Who("an agent for the manager", "manager", _MANAGER, ["manager"], ["write", "restricted"], claims=_BY_AN_AGENT),
    Who("an agent for support", "support", _SUPPORT, ["support"], ["read"], claims=_BY_AN_AGENT),
    Who("a manager who may only read", "manager", _MANAGER, ["manager"], ["read"]),
    Who("a manager without restricted", "manager", _MANAGER, ["manager"], ["write", "confidential"]),
    Who("support that claims admin", "support", _SUPPORT, ["support"], ["admin"]),
    Who("an auditor that claims restricted", "auditor", "acme-auditor", ["auditor"], ["restricted"]),
    Who("somebody without a role", "admin", "acme-admin", [], ["admin"]),
    Who("a manager without a scope", "manager", _MANAGER, ["manager"], []),
    Who("support of another issuer", "support", _SUPPORT, ["support"], ["read"], issuer=OTHER_ISSUER),
    Who("the manager of another issuer", "manager", _MANAGER, ["manager"], ["restricted"], issuer=OTHER_ISSUER),
    Who("the manager in another tenant", "manager", _MANAGER, ["manager"], ["restricted"], tenant="globex"),
    Who("support with hostile roles", "support", "somebody", ["support", *_HOSTILE], ["read"]),
    Who("a hostile subject", "support", f'{_SUPPORT}@OWN","role:manager","class:restricted', ["support"], ["read"]),
    Who("roles like other words", "support", "x", ["approver", f"user:{_SUPPORT}@OWN", "class:restricted"], ["read"]),
)
EVERYBODY = (*PERSONAS, *VARIANTS)
