"""Signing in at the provider and coming back: authorization code with PKCE, bound to the browser that began."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from shared.core.caller import ACRS, Caller
from shared.core.errors import StepUp, Unauthenticated
from shared.core.request import Request
from shared.core.settings import Settings
from shared.edge.web.cookies import Cookies
from shared.edge.web.identity import check_identity
from shared.edge.web.oidc import Asked, RelyingParty, Tokens
from shared.edge.web.places import Places
from shared.edge.web.refused import Refused
from shared.edge.web.sessions import WebSessions
from shared.pipeline import Pipeline
from shared.state.keys import CannotOpen, KeyRing
from shared.steps.auth import Verifier
from shared.steps.providers import Provider

LASTS_S = 600
_BYTES = 32
_LONGEST = 4096


@dataclass(frozen=True)
class _Attempt:
    """A sign-in under way; the browser keeps it, sealed."""

    asked: Asked
    back: str
    until: float


class SigningIn:
    """The sign-in of one site.

    What is needed at its end lies in a cookie of the browser, sealed and bound to `state`: nobody can finish in one
    browser what was begun in another, any replica can finish it, and strangers cannot fill a store by beginning.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        places: Places,
        cookies: Cookies,
        relying: RelyingParty,
        provider: Provider,
        verifier: Verifier,
        sessions: WebSessions,
        pipeline: Pipeline,
        settings: Settings,
        states: KeyRing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._places = places
        self._cookies = cookies
        self._relying = relying
        self._provider = provider
        self._verifier = verifier
        self._sessions = sessions
        self._pipeline = pipeline
        self._settings = settings
        self._states = states
        self._clock = clock

    async def begin(
        self, request: HttpRequest, back: str | None, needs: StepUp | None = None
    ) -> tuple[str, Callable[[Response], None]]:
        """Where to sign in, and what to do to the answer that sends the browser there.

        Args:
            request: The browser's.
            back: Where to return to; checked.
            needs: How strong and fresh it has to be.

        Raises:
            Unavailable: The provider does not say where.
        """
        state, nonce, verifier = (secrets.token_urlsafe(_BYTES) for _ in range(3))
        acr, max_age_s = (needs.acr, needs.max_age_s) if needs else (None, None)
        asked = Asked(state, nonce, verifier, acr, max_age_s)
        where = await self._relying.where(asked)
        kept = [nonce, verifier, acr, max_age_s, self._places.back(back), self._clock() + LASTS_S]
        sealed = self._states.seal(orjson.dumps(kept), _bound(state)).hex()
        return where, lambda answer: self._cookies.keep_login(request, answer, state, sealed, LASTS_S)

    async def finish(self, http: HttpRequest, request: Request) -> Response:
        """The provider's answer: from here on there is a session.

        Args:
            http: The browser's.
            request: For the audit; its name is replaced.

        Raises:
            Refused: The answer does not fit what was begun, or is none we accept.
            Failure: The person is stopped, or signs in too often; or something we need is away.
        """
        said = _once(http)
        state = said.get("state", "")
        attempt = self._attempt(http, state)
        await self._relying.check_issuer(said.get("iss"))
        if "code" not in said or "error" in said:
            raise Refused("sign_in_denied", 403, "The sign-in provider did not let you in, or you cancelled.")
        tokens = await self._relying.redeem(said["code"], attempt.asked.verifier)
        caller = await self._caller(tokens)
        client_id = self._relying.client_id
        await check_identity(tokens, caller, attempt.asked, self._provider, self._settings, client_id)
        self._check_strength(attempt.asked, caller)
        before = await self._sessions.find(self._cookies.session(http))
        async with self._pipeline.noted(request, caller) as facts:
            facts.update(_facts(attempt.asked, caller))
            session = await self._sessions.open(tokens, caller, before)
        answer = RedirectResponse(attempt.back, 303)
        self._cookies.end_login(answer, state)
        self._cookies.keep_session(answer, session.id)
        return answer

    def _attempt(self, http: HttpRequest, state: str) -> _Attempt:
        kept = self._cookies.login(http, state) if state else None
        try:
            sealed = bytes.fromhex(kept or "")
            nonce, verifier, acr, max_age_s, back, until = orjson.loads(self._states.open(sealed, _bound(state)))
        except (CannotOpen, ValueError):
            said = "This sign-in was not begun in this browser, or too long ago. Sign in again."
            raise Refused("sign_in_state", 400, said) from None
        if self._clock() >= until:
            raise Refused("sign_in_state", 400, "The sign-in took too long. Sign in again.")
        return _Attempt(Asked(state, nonce, verifier, acr, max_age_s), self._places.back(back), until)

    async def _caller(self, tokens: Tokens) -> Caller:
        try:
            caller = await self._verifier.verify(f"Bearer {tokens.access}")
        except Unauthenticated as refused:
            said = "The sign-in provider's token is none that we accept. Tell whoever runs this console."
            raise Refused(f"sign_in_token_{refused.reason}", 403, said) from None
        if caller.trust != "person":
            raise Refused("sign_in_no_person", 403, "Only people can sign in here.")
        return caller

    def _check_strength(self, asked: Asked, caller: Caller) -> None:
        """Raise if the provider did not do what it was asked to: sent there again, it would not either."""
        weak = asked.acr in ACRS and (caller.acr not in ACRS or ACRS.index(caller.acr) < ACRS.index(asked.acr))
        oldest = None if asked.max_age_s is None else self._clock() - asked.max_age_s - self._settings.clock_skew_s
        stale = oldest is not None and (caller.auth_time is None or caller.auth_time < oldest)
        if weak or stale:
            said = "The sign-in provider did not ask you for a second factor, or not again. Nothing was done."
            raise Refused("sign_in_weak", 403, said)


def _facts(asked: Asked, caller: Caller) -> dict[str, Any]:
    return {"acr": caller.acr, "auth_time": caller.auth_time, "asked_acr": asked.acr, "asked_max_age": asked.max_age_s}


def _once(http: HttpRequest) -> dict[str, str]:
    """The parameters; one that is there twice could be read in two ways (RFC 6749 §3.1)."""
    pairs = http.query_params.multi_items()
    if len(dict(pairs)) != len(pairs) or any(len(value) > _LONGEST for _, value in pairs):
        raise Refused("sign_in_state", 400, "This is no answer of a sign-in. Sign in again.")
    return dict(pairs)


def _bound(state: str) -> bytes:
    return b"sign-in " + state.encode()
