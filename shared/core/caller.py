from dataclasses import dataclass
from typing import Literal

from shared.core.scopes import expand

Trust = Literal["person", "service", "delegated", "hybrid"]
"""Who acts: a person through a program of theirs; an agent as a service (client credentials); an agent on behalf of a
person (RFC 8693, `act`); an agent as itself, vouched for by a person who signed in for it."""


LOCAL = "stdio"
"""The issuer of whoever sits at the machine, whose own login counts, and is always fresh. No URL, as others are."""

Acr = Literal["aal1", "aal2", "aal3"]
"""How strongly somebody signed in (after NIST SP 800-63B): a password, two factors, two with one that cannot be
phished."""

ACRS: tuple[Acr, ...] = ("aal1", "aal2", "aal3")
"""The weaker first."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the verified token says; nothing here comes from the request itself.

    Attributes:
        subject: `sub`: the user, or the client itself for client credentials.
        issuer: `iss`: the identity provider that vouches for the subject.
        client: `client_id` (RFC 9068) or `azp`: the program in use.
        tenant: Whose data this caller may touch. Row-level security follows it.
        scopes: Granted scopes with everything they imply.
        roles: Names of roles for policy.
        acr: Authentication context class of the login, for step-up; one of `ACRS` counts.
        auth_time: When the user last proved who they are; seconds since the epoch.
        trust: Who acts, by the token alone.
        actors: `act` (RFC 8693 §4.1), the present actor first: who acts for the subject, and for whom that one does.
        token_id: `jti`, for revocation and audit.
        session_id: `sid`: the login at the identity provider that all its tokens share, if it says so.
        expires_at: When the token ends; seconds since the epoch.
        through: Which of our own servers acts for the subject just now, by the client it is at the issuer; else None.
    """

    subject: str
    issuer: str
    client: str
    tenant: str
    scopes: frozenset[str]
    roles: frozenset[str] = frozenset()
    acr: str | None = None
    auth_time: int | None = None
    trust: Trust = "person"
    actors: tuple[str, ...] = ()
    token_id: str | None = None
    session_id: str | None = None
    expires_at: int = 0
    through: str | None = None

    @property
    def actor(self) -> str | None:
        """Who acts now on behalf of the subject, if that is somebody else."""
        return self.actors[0] if self.actors else None

    def may(self, scope: str) -> bool:
        """Whether the caller holds `scope`, directly or by the hierarchy."""
        return scope in self.scopes

    @staticmethod
    def granted(scopes: str | list[str]) -> frozenset[str]:
        """Scopes as a token states them, with all they imply (see `shared.core.scopes`)."""
        words = scopes.split() if isinstance(scopes, str) else scopes
        return expand(words)
