import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from compose.idp.events import Events
from compose.idp.expiring import Expiring
from compose.idp.grants import Grant
from compose.idp.refusals import OAuthError
from compose.idp.revoked import Revoked

IDLE_S = 24 * 3600
"""How long a refresh token may lie unused."""
LIFETIME_S = 7 * 24 * 3600
"""How long after signing in there are no more."""
_FAMILIES = 1000


@dataclass(frozen=True)
class _Family:
    grant: Grant
    newest: bytes
    """Digest of the one token that still works; a digest, so that memory holds no token."""
    ends: float


class RefreshFamilies:
    """Refresh tokens: each works once and is followed by the next (OAuth 2.1 §4.3.1, RFC 9700 §4.14).

    A token is `FAMILY.SECRET`, both unguessable. Who holds an older secret of a living family had a copy, or
    somebody else has: nobody can tell who is who, so the family ends. So it does when another client presents it.
    Two concurrent uses are such a case too: one gets tokens, the other ends the family.
    """

    def __init__(self, revoked: Revoked, events: Events, clock: Callable[[], float], capacity: int = _FAMILIES) -> None:
        self._revoked = revoked
        self._events = events
        self._clock = clock
        self._families: Expiring[_Family] = Expiring(capacity, clock)

    def start(self, grant: Grant) -> str:
        """The first token of a family."""
        return self._renew(secrets.token_urlsafe(16), grant, self._clock() + LIFETIME_S)

    def redeemable(self, token: str, client_id: str) -> Grant:
        """What the token was issued for; it still works afterwards.

        Raises:
            OAuthError: `invalid_grant`: unknown, expired, used before, or of another client.
        """
        name, family = self._find(token)
        if family is None:
            raise _unusable()
        if family.grant.client_id != client_id:
            self._end_as_leaked(name, family.grant, "presented by another client")
        if not _is_newest(family, token):
            self._end_as_leaked(name, family.grant, "used before")
        return family.grant

    def rotate(self, token: str) -> str:
        """The token that follows a redeemable one, which is used up by this."""
        name, family = self._find(token)
        if family is None or not _is_newest(family, token):
            raise _unusable()
        return self._renew(name, family.grant, family.ends)

    def find(self, token: str) -> Grant | None:
        """What the newest token of a living family was issued for."""
        _, family = self._find(token)
        return family.grant if family and _is_newest(family, token) else None

    def family_of(self, token: str) -> Grant | None:
        """As `find`, also for those used before."""
        _, family = self._find(token)
        return family.grant if family else None

    def end(self, token: str) -> None:
        """End the family, and with it every access token of its session."""
        name, family = self._find(token)
        if family is not None:
            self._families.drop(name)
            self._revoked.session(family.grant.session)

    def end_session(self, session: str) -> None:
        """End the family of a session."""
        for name, family in self._families.items():
            if family.grant.session == session:
                self._families.drop(name)
        self._revoked.session(session)

    def _end_as_leaked(self, name: str, grant: Grant, reason: str) -> None:
        self._families.drop(name)
        self._revoked.session(grant.session)
        self._events.report("refresh_reused", reason=reason, **grant.facts())
        raise _unusable()

    def _renew(self, name: str, grant: Grant, ends: float) -> str:
        secret = secrets.token_urlsafe(32)
        self._families.put(name, _Family(grant, _digest(secret), ends), min(ends, self._clock() + IDLE_S))
        return f"{name}.{secret}"

    def _find(self, token: str) -> tuple[str, _Family | None]:
        name, _, _ = token.partition(".")
        return name, self._families.get(name)


def _is_newest(family: _Family, token: str) -> bool:
    return hmac.compare_digest(family.newest, _digest(token.partition(".")[2]))


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _unusable() -> OAuthError:
    return OAuthError("invalid_grant", "The refresh token is used, expired or revoked. Sign in again.")
