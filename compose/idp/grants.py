from dataclasses import dataclass, field
from typing import Any

from compose.idp.clients import Client
from compose.idp.personas import Persona
from compose.idp.resources import Resource

OPENID = "openid"
OFFLINE = "offline_access"
"""The scopes that are no resource's: an ID token (OpenID Connect), and a refresh token."""


@dataclass(frozen=True)
class Asked:
    """A valid authorization request that waits for somebody to choose a persona.

    Attributes:
        challenge: The S256 code challenge (RFC 7636).
        scope: As requested; None when left out.
        acr: The context wanted most of those we know (OpenID `acr_values`).
        fresh_consent: Ask even what was granted before (`prompt=consent`).
        browser: Cookie of the browser that saw the page; only it may answer.
    """

    client: Client
    redirect_uri: str
    state: str | None
    challenge: str
    resource: Resource
    scope: str | None
    nonce: str | None
    acr: str | None
    fresh_consent: bool
    login_hint: str | None
    browser: str = field(repr=False)

    @property
    def words(self) -> tuple[str, ...]:
        """The requested scopes, each once."""
        return tuple(dict.fromkeys((self.scope or "").split()))


@dataclass(frozen=True)
class SignedIn:
    """Somebody signed in and now decides.

    Attributes:
        offered: What they may grant: scopes of the resource, `OPENID` if asked for, `OFFLINE` if the client can
            refresh.
        auth_time: When; seconds since the epoch.
        acr: How strongly.
    """

    asked: Asked
    persona: Persona
    offered: tuple[str, ...]
    auth_time: int
    acr: str

    @property
    def browser(self) -> str:
        return self.asked.browser


@dataclass(frozen=True)
class Grant:
    """What a person let a client do; every token of it carries its `session` as `sid`.

    Attributes:
        granted: Of what was offered.
        requested: The words of the request, for the answer's `scope` names no others.
    """

    client_id: str
    persona: Persona
    resource: Resource
    granted: tuple[str, ...]
    requested: tuple[str, ...]
    auth_time: int
    acr: str
    session: str

    @property
    def scopes(self) -> tuple[str, ...]:
        """Those of the resource: what access tokens carry."""
        return tuple(scope for scope in self.granted if scope in self.resource.scopes)

    def facts(self) -> dict[str, Any]:
        """What events tell of it."""
        return {
            "client_id": self.client_id,
            "subject": self.persona.subject,
            "tenant": self.persona.tenant,
            "resource": self.resource.uri,
            "scopes": self.scopes,
            "session": self.session,
        }


@dataclass(frozen=True)
class Approved:
    """What an authorization code stands for, bound to who may redeem it and how."""

    grant: Grant
    redirect_uri: str
    challenge: str
    nonce: str | None
