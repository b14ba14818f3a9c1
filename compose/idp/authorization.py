import re
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from compose.idp import page, redirects
from compose.idp.clients import Client, Clients
from compose.idp.grants import Approved, Asked, Codes
from compose.idp.parameters import Parameters, parse, parse_form
from compose.idp.personas import PERSONAS
from compose.idp.refusals import OAuthError
from compose.idp.resources import Resources
from compose.idp.single_use import SingleUse

_TRANSACTION_S = 600
_TRANSACTIONS = 1000
_COOKIE = "idp_browser"
_S256 = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of 32 bytes


class Authorization:
    """The authorization endpoint (RFC 6749 §4.1.1) and the form of its page."""

    def __init__(
        self, issuer: str, clients: Clients, resources: Resources, codes: Codes, clock: Callable[[], float]
    ) -> None:
        self._issuer = issuer
        self._path = urlsplit(issuer).path.rstrip("/")
        self._clients = clients
        self._resources = resources
        self._codes = codes
        self._clock = clock
        self._waiting: SingleUse[Asked] = SingleUse(_TRANSACTION_S, _TRANSACTIONS, clock)

    async def ask(self, request: Request) -> Response:
        """GET: show the page, or refuse: by redirect only once client and redirect URI are known to be good."""
        try:
            parameters = parse(request.url.query)
            client, redirect_uri = self._destination(parameters)
        except OAuthError as error:
            return page.refused(error)
        browser = request.cookies.get(_COOKIE) or secrets.token_urlsafe(32)
        try:
            asked = self._asked(parameters, client, redirect_uri, browser)
        except OAuthError as error:
            return self._send_back(redirect_uri, parameters.get("state"), _told(error))
        response = page.choose(asked, self._waiting.put(asked), f"{self._path}/login")
        response.set_cookie(
            _COOKIE,
            browser,
            path=self._path or "/",
            secure=self._issuer.startswith("https:"),
            httponly=True,
            samesite="lax",
        )
        return response

    async def decide(self, request: Request) -> Response:
        """POST of the page's form: a persona, or none to cancel."""
        try:
            form = await parse_form(request)
            asked = self._resume(form, request)
        except OAuthError as error:
            return page.refused(error)
        try:
            outcome = {"code": self._codes.put(self._approved(asked, form.get("persona")))}
        except OAuthError as error:
            outcome = _told(error)
        return self._send_back(asked.redirect_uri, asked.state, outcome)

    def _resume(self, form: Parameters, request: Request) -> Asked:
        asked = self._waiting.take(form.get("transaction") or "")
        if asked is None or not _same_browser(asked, request):
            raise OAuthError(
                "invalid_request",
                "This page was used already, is too old, or belongs to another browser. "
                "Go back to the program and connect again.",
            )
        return asked

    def _destination(self, parameters: Parameters) -> tuple[Client, str]:
        client = self._clients.get(parameters.need("client_id"))
        if client is None:
            raise OAuthError("invalid_client", "Unknown client. It may be long ago: register again.")
        redirect_uri = parameters.need("redirect_uri")
        if not redirects.registered(redirect_uri, client.redirect_uris):
            raise OAuthError(
                "invalid_request", "This redirect URI is not registered for the client. Nothing was sent to it."
            )
        return client, redirect_uri

    def _asked(self, parameters: Parameters, client: Client, redirect_uri: str, browser: str) -> Asked:
        if parameters.need("response_type") != "code":
            raise OAuthError("unsupported_response_type", "Use response_type=code.")
        if parameters.get("response_mode") not in {None, "query"}:
            raise OAuthError("invalid_request", "Use response_mode=query.")
        challenge = parameters.need("code_challenge")
        if parameters.get("code_challenge_method") != "S256" or not _S256.fullmatch(challenge):
            raise OAuthError("invalid_request", "Use PKCE with code_challenge_method=S256.")
        return Asked(
            client_id=client.id,
            client_name=client.name,
            redirect_uri=redirect_uri,
            state=parameters.get("state"),
            challenge=challenge,
            resource=self._resources.named(parameters.resources),
            scope=parameters.get("scope"),
            login_hint=parameters.get("login_hint") or parameters.get("persona"),
            browser=browser,
        )

    def _approved(self, asked: Asked, choice: str | None) -> Approved:
        persona = PERSONAS.get(choice or "")
        if persona is None:
            raise OAuthError("access_denied", "Nobody signed in.")
        scopes = asked.resource.grant(asked.scope, persona.scopes)
        if not scopes:
            raise OAuthError("invalid_scope", "The person who signed in holds none of the requested scopes.")
        return Approved(asked, persona, scopes, int(self._clock()), secrets.token_urlsafe(16))

    def _send_back(self, redirect_uri: str, state: str | None, outcome: dict[str, str]) -> Response:
        """Always with `state` and `iss` (RFC 9207); 303, so that no form is posted onward (RFC 9700 §4.12)."""
        url = redirects.answer(redirect_uri, {**outcome, "state": state, "iss": self._issuer})
        return RedirectResponse(url, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _told(error: OAuthError) -> dict[str, str]:
    return {"error": error.error, "error_description": error.description}


def _same_browser(asked: Asked, request: Request) -> bool:
    presented = request.cookies.get(_COOKIE, "")
    return secrets.compare_digest(asked.browser.encode(), presented.encode())
