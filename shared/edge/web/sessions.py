"""Web sessions: who is signed in with this browser, and the tokens that say so, which the browser never sees."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import orjson

from shared.core.caller import Caller
from shared.core.settings import Settings
from shared.edge.web.oidc import Tokens
from shared.state.bus import Bus
from shared.state.web_store import WebStore, topic_of

_ID_BYTES = 32
_ID_MOST = 64


@dataclass(frozen=True)
class WebSession:
    """One signed-in browser.

    Attributes:
        id: The credential in its cookie; 256 random bits.
        csrf: What every form of the session carries.
        person: Whose it is.
        opened_at: When they signed in; seconds since the epoch.
    """

    id: str = field(repr=False)
    tokens: Tokens
    csrf: str = field(repr=False)
    person: "Person"
    opened_at: float


Person = tuple[str, str, str]
"""Issuer, subject and tenant."""


def person_of(caller: Caller) -> Person:
    return caller.issuer, caller.subject, caller.tenant


class WebSessions:
    """The sessions of one site: they end when nobody uses them, at a certain age, and at sign-out.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, store: WebStore, bus: Bus, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._bus = bus
        self._idle_s = settings.console_idle_s
        self._absolute_s = settings.console_absolute_s
        self._clock = clock

    async def open(self, tokens: Tokens, caller: Caller, before: WebSession | None) -> WebSession:
        """A session under a new id; never one that a browser brought (session fixation).

        It takes the place of `before`. If that was the same person's, forms in other tabs go on to work.
        """
        person = person_of(caller)
        csrf = before.csrf if before is not None and before.person == person else _secret()
        made = WebSession(_secret(), tokens, csrf, person, self._clock())
        if before is not None:
            await self.end(before)
        await self._store.put("session", made.id, _written(made), self._ttl_s(made))
        return made

    async def find(self, session_id: str | None, *, used: bool = True) -> WebSession | None:
        """The session, if it lasts; looking for it keeps it in use, unless `used` is False."""
        if not session_id or len(session_id) > _ID_MOST or not session_id.isascii():
            return None
        kept = await self._store.get("session", session_id, self._idle_s if used else None)
        if kept is None:
            return None
        session = _read(session_id, kept)
        if self._ttl_s(session) <= 0:
            await self.end(session)
            return None
        return session

    async def renew(self, session: WebSession, tokens: Tokens) -> WebSession | None:
        """The session with other tokens; None if it was ended meanwhile."""
        made = replace(session, tokens=replace(tokens, refresh=tokens.refresh or session.tokens.refresh))
        kept = await self._store.replace("session", made.id, _written(made), max(1, self._ttl_s(made)))
        return made if kept else None

    async def claim_renewal(self, session: WebSession) -> bool:
        """Whether this request is the one that renews it: a refresh token that is used twice counts as stolen."""
        digest = orjson.dumps([session.id, session.tokens.refresh]).decode()
        return await self._store.claim("renewal", digest, 60)

    async def end(self, session: WebSession) -> None:
        """End it, here and now and in every replica."""
        await self._store.take("session", session.id)
        await self._bus.publish(topic_of(session.id), b"ended")

    def _ttl_s(self, session: WebSession) -> float:
        return min(self._idle_s, session.opened_at + self._absolute_s - self._clock())


def _secret() -> str:
    return secrets.token_urlsafe(_ID_BYTES)


def _written(session: WebSession) -> bytes:
    tokens = session.tokens
    return orjson.dumps([tokens.access, tokens.refresh, session.csrf, session.person, session.opened_at])


def _read(session_id: str, kept: bytes) -> WebSession:
    access, refresh, csrf, person, opened_at = orjson.loads(kept)
    return WebSession(session_id, Tokens(access, refresh), csrf, (person[0], person[1], person[2]), opened_at)
