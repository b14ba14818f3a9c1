from dataclasses import dataclass, field

from compose.idp.personas import Persona
from compose.idp.resources import Resource
from compose.idp.single_use import SingleUse


@dataclass(frozen=True)
class Asked:
    """A valid authorization request that waits for somebody to choose a persona.

    Attributes:
        challenge: The S256 code challenge (RFC 7636).
        scope: As requested; None when left out.
        browser: Cookie of the browser that saw the page; only it may answer.
    """

    client_id: str
    client_name: str
    redirect_uri: str
    state: str | None
    challenge: str
    resource: Resource
    scope: str | None
    login_hint: str | None
    browser: str = field(repr=False)


@dataclass(frozen=True)
class Approved:
    """What an authorization code stands for, bound to who may redeem it and how."""

    asked: Asked
    persona: Persona
    scopes: tuple[str, ...]
    auth_time: int
    session: str


Codes = SingleUse[Approved]
