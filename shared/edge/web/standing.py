"""For whom a web session still speaks: asked with every request, since rights end before sessions do."""

import time
from collections.abc import Callable

import anyio
import structlog

from shared.core.caller import Caller
from shared.core.errors import Unauthenticated, Unavailable
from shared.core.request import Request
from shared.edge.web.oidc import RelyingParty
from shared.edge.web.refused import Refused
from shared.edge.web.sessions import WebSession, WebSessions, person_of
from shared.pipeline import Pipeline
from shared.steps.auth import Verifier

log = structlog.get_logger("web")

_EARLY_S = 60
_WAIT_S = 5
_LOOK_S = 0.05


class Standing:
    """Verifies the access token of a session, and gets another one in time.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        sessions: WebSessions,
        verifier: Verifier,
        relying: RelyingParty,
        pipeline: Pipeline,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sessions = sessions
        self._verifier = verifier
        self._relying = relying
        self._pipeline = pipeline
        self._clock = clock

    async def of(self, session: WebSession, request: Request) -> tuple[WebSession, Caller] | None:
        """The session, perhaps with other tokens, and its caller; None if it is over, and then it is ended.

        Raises:
            Suspended: The person or the program was stopped; the session is ended, and that is on record.
            Refused: The sign-in was revoked; the session is ended.
            Unavailable: Nobody can tell.
        """
        caller = await self._verified(session)
        if caller is None or (self._is_early(caller) and session.tokens.refresh):
            renewed = await self._renewed(session, caller)
            session, caller = renewed or (session, None)
        if caller is None or person_of(caller) != session.person:
            await self._sessions.end(session)
            return None
        if self._pipeline.switches.suspended(caller) is not None:
            await self._sessions.end(session)
            async with self._pipeline.noted(request, caller, charge=False):
                return None  # not reached: the pipeline refuses who is stopped
        return session, caller

    async def _verified(self, session: WebSession) -> Caller | None:
        """None if the token is over; one that is not accepted for another reason ends the session."""
        try:
            return await self._verifier.verify(f"Bearer {session.tokens.access}")
        except Unauthenticated as refused:
            if refused.reason == "revoked":
                await self._sessions.end(session)
                raise Refused("revoked", 403, "Your sign-in was revoked. Sign in again.") from None
            if refused.reason != "expired":
                log.warning("a web session's token is no longer accepted", reason=refused.reason)
                await self._sessions.end(session)
            return None

    def _is_early(self, caller: Caller) -> bool:
        return caller.expires_at - self._clock() < _EARLY_S

    async def _renewed(self, session: WebSession, caller: Caller | None) -> tuple[WebSession, Caller] | None:
        """With the refresh token, once for all requests and replicas; meanwhile the old token does as long as it
        can.
        """
        if session.tokens.refresh is None:
            return None
        if not await self._sessions.claim_renewal(session):
            return (session, caller) if caller is not None else await self._others(session)
        try:
            tokens = await self._relying.refresh(session.tokens.refresh)
        except Unavailable:
            if caller is None:
                raise
            return session, caller
        made = await self._sessions.renew(session, tokens) if tokens is not None else None
        verified = await self._verified(made) if made is not None else None
        return (made, verified) if made is not None and verified is not None else None

    async def _others(self, session: WebSession) -> tuple[WebSession, Caller] | None:
        """What another request that renews it comes to."""
        with anyio.move_on_after(_WAIT_S):
            while True:
                found = await self._sessions.find(session.id)
                if found is None or found.tokens.access != session.tokens.access:
                    verified = await self._verified(found) if found is not None else None
                    return (found, verified) if found is not None and verified is not None else None
                await anyio.sleep(_LOOK_S)
        raise Unavailable("The sign-in provider does not answer. Try again in a moment.")
