import secrets
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from compose.idp import authorization_request, consent_page, page, redirects, second_factor
from compose.idp.clients import Client, Clients
from compose.idp.codes import Codes
from compose.idp.consents import Consents
from compose.idp.events import Events
from compose.idp.grants import OFFLINE, OPENID, Approved, Asked, Grant, SignedIn
from compose.idp.parameters import Parameters, parse, parse_form
from compose.idp.personas import PERSONAS, Persona
from compose.idp.refusals import OAuthError
from compose.idp.resources import Resources
from compose.idp.second_factor import Proving
from compose.idp.single_use import SingleUse

_TRANSACTION_S = 600
_TRANSACTIONS = 1000
_COOKIE = "idp_browser"
Step = TypeVar("Step", Asked, Proving, SignedIn)
_NOT_KEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class Authorization:
    """The authorization endpoint (RFC 6749 §4.1.1): who somebody is, and what they grant. No session is kept."""

    def __init__(
        self,
        issuer: str,
        clients: Clients,
        resources: Resources,
        codes: Codes,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._path = urlsplit(issuer).path.rstrip("/")
        self._clients = clients
        self._resources = resources
        self._codes = codes
        self._events = events
        self._clock = clock
        self._consents = Consents(clock)
        self._asked: SingleUse[Asked] = SingleUse(_TRANSACTION_S, _TRANSACTIONS, clock)
        self._proving: SingleUse[Proving] = SingleUse(_TRANSACTION_S, _TRANSACTIONS, clock)
        self._signed_in: SingleUse[SignedIn] = SingleUse(_TRANSACTION_S, _TRANSACTIONS, clock)

    async def ask(self, request: Request) -> Response:
        """GET: show the page, or refuse: by redirect only once client and redirect URI are known to be good."""
        try:
            parameters = parse(request.url.query)
            client, redirect_uri = await self._destination(parameters)
        except OAuthError as error:
            return page.refused(error)
        browser = request.cookies.get(_COOKIE) or secrets.token_urlsafe(32)
        try:
            asked = authorization_request.read(parameters, client, redirect_uri, self._resources, browser)
        except OAuthError as error:
            return self._send_back(redirect_uri, parameters.get("state"), _told(error))
        response = page.choose(asked, self._asked.put(asked), f"{self._path}/login")
        response.set_cookie(
            _COOKIE,
            browser,
            path=self._path or "/",
            secure=self._issuer.startswith("https:"),
            httponly=True,
            samesite="lax",
        )
        return response

    async def choose(self, request: Request) -> Response:
        """POST of the sign-in page: a persona, or none to cancel. On to the second factor if one is wanted."""
        try:
            form = await parse_form(request)
            asked = _in_same_browser(self._asked.take(form.get("transaction") or ""), request)
        except OAuthError as error:
            return page.refused(error)
        persona = PERSONAS.get(form.get("persona") or "")
        if persona is not None and second_factor.is_wanted(asked, form.get(second_factor.TICK)):
            return self._go_on("second-factor", self._proving.put(Proving(asked, persona)))
        return self._sign_in(asked, persona, None)

    async def challenge(self, request: Request) -> Response:
        """GET of the page of the second factor; it may be loaded again."""
        try:
            transaction = parse(request.url.query).need("transaction")
            proving = _in_same_browser(self._proving.look(transaction), request)
        except OAuthError as error:
            return page.refused(error)
        return second_factor.prove(proving, transaction, f"{self._path}/second-factor")

    async def prove(self, request: Request) -> Response:
        """POST of the page of the second factor: the code, so many tries; or to cancel."""
        try:
            form = await parse_form(request)
            proving = _in_same_browser(self._proving.take(form.get("transaction") or ""), request)
        except OAuthError as error:
            return page.refused(error)
        if form.get("decision") == "cancel":
            return self._sign_in(proving.asked, None, None)
        if proving.accepts(form.get("code") or ""):
            return self._sign_in(proving.asked, proving.persona, second_factor.CONTEXT)
        again = proving.again()
        if again is None:
            return self._sign_in(proving.asked, None, None)
        return self._go_on("second-factor", self._proving.put(again))

    async def review(self, request: Request) -> Response:
        """GET of the consent page; it may be loaded again."""
        try:
            transaction = parse(request.url.query).need("transaction")
            somebody = _in_same_browser(self._signed_in.look(transaction), request)
        except OAuthError as error:
            return page.refused(error)
        return consent_page.consent(somebody, transaction, f"{self._path}/consent")

    async def decide(self, request: Request) -> Response:
        """POST of the consent page: what is ticked is granted, if `decision` is `allow`."""
        try:
            form = await parse_form(request)
            somebody = _in_same_browser(self._signed_in.take(form.get("transaction") or ""), request)
        except OAuthError as error:
            return page.refused(error)
        granted = tuple(scope for scope in somebody.offered if form.get(f"{consent_page.TICK}{scope}") is not None)
        if form.get("decision") != "allow" or not set(granted) & set(somebody.asked.resource.scopes):
            self._events.report("consent_denied", **_facts(somebody, ()))
            denied = OAuthError("access_denied", "The person who signed in granted nothing.")
            return self._send_back(somebody.asked.redirect_uri, somebody.asked.state, _told(denied))
        self._consents.remember(somebody, granted)
        return self._grant(somebody, granted, remembered=False)

    async def _destination(self, parameters: Parameters) -> tuple[Client, str]:
        client = await self._clients.find(parameters.need("client_id"))
        if client is None:
            raise OAuthError("invalid_client", "Unknown client. It may be long ago: register again.")
        redirect_uri = parameters.need("redirect_uri")
        if not redirects.registered(redirect_uri, client.redirect_uris):
            raise OAuthError(
                "invalid_request", "This redirect URI is not registered for the client. Nothing was sent to it."
            )
        return client, redirect_uri

    def _sign_in(self, asked: Asked, persona: Persona | None, acr: str | None) -> Response:
        """On to the consent page, unless all is granted; back to the client if nobody can sign in."""
        try:
            somebody = self._signed_in_as(asked, persona, acr)
        except OAuthError as error:
            self._events.report(
                "login_refused", reason=error.error, client_id=asked.client.id, resource=asked.resource.uri
            )
            return self._send_back(asked.redirect_uri, asked.state, _told(error))
        if not asked.fresh_consent and self._consents.covers(somebody):
            return self._grant(somebody, somebody.offered, remembered=True)
        return self._go_on("consent", self._signed_in.put(somebody))

    def _signed_in_as(self, asked: Asked, persona: Persona | None, acr: str | None) -> SignedIn:
        if persona is None:
            raise OAuthError("access_denied", "Nobody signed in.")
        scopes = asked.resource.grant(asked.scope, (*persona.scopes, OPENID))
        if not scopes:
            raise OAuthError("invalid_scope", "The person who signed in holds none of the requested scopes.")
        extras = ((OPENID, OPENID in asked.words), (OFFLINE, asked.client.may_refresh))
        offered = (*scopes, *(name for name, wanted in extras if wanted and name not in scopes))
        somebody = SignedIn(asked, persona, offered, int(self._clock()), acr or asked.acr or persona.acr)
        self._events.report("logged_in", acr=somebody.acr, **_facts(somebody, None))
        return somebody

    def _go_on(self, step: str, transaction: str) -> Response:
        """To the page of the next step."""
        query = urlencode({"transaction": transaction})
        return RedirectResponse(f"{self._path}/{step}?{query}", 303, headers=_NOT_KEPT)

    def _grant(self, somebody: SignedIn, granted: tuple[str, ...], *, remembered: bool) -> Response:
        asked = somebody.asked
        withheld = tuple(scope for scope in somebody.offered if scope not in granted)
        self._events.report("consent_given", withheld=withheld, remembered=remembered, **_facts(somebody, granted))
        grant = Grant(
            client_id=asked.client.id,
            persona=somebody.persona,
            resource=asked.resource,
            granted=granted,
            requested=asked.words,
            auth_time=somebody.auth_time,
            acr=somebody.acr,
            session=secrets.token_urlsafe(16),
        )
        code = self._codes.put(Approved(grant, asked.redirect_uri, asked.challenge, asked.nonce))
        return self._send_back(asked.redirect_uri, asked.state, {"code": code})

    def _send_back(self, redirect_uri: str, state: str | None, outcome: dict[str, str]) -> Response:
        """Always with `state` and `iss` (RFC 9207); 303, so that no form is posted onward (RFC 9700 §4.12)."""
        url = redirects.answer(redirect_uri, {**outcome, "state": state, "iss": self._issuer})
        return RedirectResponse(url, 303, headers=_NOT_KEPT)


def _told(error: OAuthError) -> dict[str, str]:
    return {"error": error.error, "error_description": error.description}


def _facts(somebody: SignedIn, scopes: tuple[str, ...] | None) -> dict[str, object]:
    asked, persona = somebody.asked, somebody.persona
    return {
        "client_id": asked.client.id,
        "subject": persona.subject,
        "tenant": persona.tenant,
        "resource": asked.resource.uri,
        "scopes": scopes,
    }


def _in_same_browser(step: Step | None, request: Request) -> Step:
    """The step, if it waits and this is the browser that saw the page."""
    presented = request.cookies.get(_COOKIE, "")
    if step is None or not secrets.compare_digest(step.browser.encode(), presented.encode()):
        raise OAuthError(
            "invalid_request",
            "This page was used already, is too old, or belongs to another browser. "
            "Go back to the program and connect again.",
        )
    return step
