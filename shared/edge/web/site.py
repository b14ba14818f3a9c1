"""The edge of one server that people use in a browser: what is checked before a view runs, in this order.

Host (for the whole application), room, origin, session, rights, form, CSRF token; then the view, whose every act runs
a tool through the pipeline. What is refused before a caller is known is counted per source and reason.
"""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.errors import Failure, Misconfigured, SuiteError
from shared.core.server import Server
from shared.core.tool import Effect, Tool
from shared.edge import body
from shared.edge.address import Address
from shared.edge.arrivals import Arrivals
from shared.edge.common import Common
from shared.edge.pressure import Busy
from shared.edge.web import failures, forms
from shared.edge.web.assets import Assets
from shared.edge.web.cookies import Cookies
from shared.edge.web.frame import NONCE, REFERENCE, Frame, address_of
from shared.edge.web.headers import guarded
from shared.edge.web.oidc import RelyingParty
from shared.edge.web.pages import Pages
from shared.edge.web.places import Places
from shared.edge.web.refused import Refused
from shared.edge.web.sessions import WebSessions
from shared.edge.web.signing_in import SigningIn
from shared.edge.web.standing import Standing
from shared.edge.web.viewing import Answer, answering
from shared.pipeline import Pipeline
from shared.state.http import open_client
from shared.state.web_store import WebStore
from shared.steps.auth import Verifier
from shared.steps.providers import Provider

log = structlog.get_logger("web")


class Site:
    """The pages of one server, behind sign-in."""

    def __init__(self, frame: Frame, assets: Assets) -> None:
        self._frame = frame
        self._assets = assets
        self._router = Router(self._routes(), redirect_slashes=False, default=self._bounded(self._nowhere))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        nonce = secrets.token_urlsafe(16)
        scope = {**scope, NONCE: nonce, REFERENCE: f"req_{secrets.token_hex(8)}"}
        send = guarded(send, nonce, secure=self._frame.places.is_secure)
        pressure = self._frame.common.pressure
        try:
            if not pressure.enter_at_once():
                await pressure.enter()
        except Busy as busy:
            await self.failed(HttpRequest(scope), busy)(scope, receive, send)
            return
        try:
            await self._router(scope, receive, send)
        finally:
            pressure.leave()

    def _routes(self) -> list[Route]:
        at, web = self._frame.places.prefix, self._frame.server.web
        own: list[tuple[str, str, Answer]] = [
            ("GET", "", self._to_home),
            ("GET", "/login", self._login),
            ("GET", "/callback", self._callback),
            ("POST", "/logout", self._logout),
            ("GET", "/signed-out", self._signed_out),
            ("GET", "/static/{name:path}", self._assets.answer),
        ]
        views = [(view.method, view.path, answering(self._frame, view)) for view in (web.views if web else ())]
        return [Route(at + path, self._bounded(answer), methods=[method]) for method, path, answer in [*own, *views]]

    def _bounded(self, answer: Answer) -> ASGIApp:
        """An answer, or the page of what went wrong with it; nothing else that failed shows its text."""
        return _Bounded(self, answer)

    async def _to_home(self, _http: HttpRequest) -> Response:
        places = self._frame.places
        return RedirectResponse(places.url(places.home), 303)

    async def _nowhere(self, _http: HttpRequest) -> Response:
        raise Refused("not_found", 404, "There is no such page.")

    async def _login(self, http: HttpRequest) -> Response:
        return await self._frame.to_provider(http, http.query_params.get("return_to"))

    async def _callback(self, http: HttpRequest) -> Response:
        return await self._frame.signing_in.finish(http, self._frame.request(http, "session", "sign_in"))

    async def _logout(self, http: HttpRequest) -> Response:
        frame = self._frame
        forms.check_origin(http, frame.places.base_url)
        response = RedirectResponse(frame.places.url("/signed-out"), 303)
        present = await frame.present(http)
        if present is not None:
            session, caller = present
            (await forms.read(http, frame.arrivals)).check(session.csrf)
            async with frame.pipeline.noted(frame.request(http, "session", "sign_out"), caller, charge=False):
                await frame.sessions.end(session)
        frame.cookies.end_session(response)
        return response

    async def _signed_out(self, _http: HttpRequest) -> Response:
        return HTMLResponse(self._frame.pages.render("signed_out.html"))

    def failed(self, http: HttpRequest, error: Exception) -> Response:
        """The page of what went wrong."""
        told = failures.told(error)
        if isinstance(error, Refused | Busy):  # what the pipeline refuses has its own record
            self._frame.common.refusals.count(self._frame.server.name, error.reason, address_of(http))
        reference = http.scope[REFERENCE] if isinstance(error, Failure) or told.status >= 500 else None  # noqa: PLR2004
        values = {"status": told.status, "title": told.title, "message": told.message, "reference": reference}
        page = self._frame.pages.render("error.html", **values, retry_after_s=told.retry_after_s)
        headers = {"Retry-After": str(told.retry_after_s)} if told.retry_after_s else None
        return HTMLResponse(page, told.status, headers)


class _Bounded:
    """An ASGI application, since Starlette would take a function for an endpoint of its own."""

    def __init__(self, site: Site, answer: Answer) -> None:
        self._site = site
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        sending = _Sending(send)
        try:
            await (await self._answer(http))(scope, receive, sending)
        except body.Disconnected:
            return
        except Exception as error:  # the boundary of pages, as protocol.py is that of calls
            if not isinstance(error, SuiteError | Busy):
                log.exception("a page crashed", request_id=scope[REFERENCE])
            if sending.began:  # what was cut short must not look whole
                raise
            await self._site.failed(http, error)(scope, receive, send)


class _Sending:
    """A `send` that knows whether it began."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.began = False

    async def __call__(self, message: Message) -> None:
        self.began = True
        await self._send(message)


def _for_people(tool: Tool) -> Tool:
    return replace(tool, polls=tool.polls or tool.effect is Effect.READ)


@asynccontextmanager
async def open_site(
    server: Server,
    address: Address,
    pipeline: Pipeline,
    verifier: Verifier,
    provider: Provider,
    common: Common,
    store: WebStore,
) -> AsyncGenerator[Site]:
    """The site of a server that has pages; requests are served as long as the context lasts.

    Raises:
        Misconfigured: It has none.
    """
    web, settings = server.web, common.settings
    if web is None:
        raise Misconfigured(f"the server {server.name} has no pages")
    places = Places(address.base_url, address.path, web.home)
    cookies = Cookies(server.name, secure=places.is_secure)
    assets = Assets(web.static, places)
    async with open_client() as client:
        relying = RelyingParty(
            provider.issuer,
            settings,
            server=server.name,
            resource=address.resource,
            callback=places.callback,
            scopes=web.scopes,
            client=client,
        )
        sessions = WebSessions(store, common.bus, settings)
        signing_in = SigningIn(
            places, cookies, relying, provider, verifier, sessions, pipeline, settings, common.states
        )
        frame = Frame(
            server=server,
            pipeline=pipeline,
            common=common,
            store=store,
            places=places,
            cookies=cookies,
            pages=Pages(web, places, assets, server.title),
            tools={name: _for_people(tool) for name, tool in server.tools.tools.items()},
            sessions=sessions,
            standing=Standing(sessions, verifier, relying, pipeline),
            signing_in=signing_in,
            arrivals=Arrivals(settings),
        )
        yield Site(frame, assets)
