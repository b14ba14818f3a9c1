from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from shared.core.caller import Caller
from shared.core.request import Kind, Request
from shared.core.server import Server
from shared.core.tool import Tool
from shared.edge.arrivals import Arrivals
from shared.edge.common import Common
from shared.edge.web.cookies import Cookies
from shared.edge.web.pages import Pages
from shared.edge.web.places import Places
from shared.edge.web.sessions import WebSession, WebSessions
from shared.edge.web.signing_in import SigningIn
from shared.edge.web.standing import Standing
from shared.pipeline import Pipeline
from shared.state.web_store import WebStore

NONCE = "suite.nonce"
"""Key of the ASGI scope: the nonce of this answer's content security policy."""
REFERENCE = "suite.reference"
"""Key of the ASGI scope: what logs, audit and error pages share."""
_ERA = "web"


@dataclass(frozen=True)
class Frame:
    """What the pages of one site share.

    Attributes:
        tools: Of the server, as people use them: to look at the same page again is no loop of a model's.
    """

    server: Server
    pipeline: Pipeline
    common: Common
    store: WebStore
    places: Places
    cookies: Cookies
    pages: Pages
    tools: Mapping[str, Tool]
    sessions: WebSessions
    standing: Standing
    signing_in: SigningIn
    arrivals: Arrivals

    async def present(self, http: HttpRequest) -> tuple[WebSession, Caller] | None:
        """Who is signed in, and still may be.

        Raises:
            Suspended: The person was stopped; it is on record.
            Refused: The sign-in was revoked.
            Unavailable: Nobody can tell.
        """
        session = await self.sessions.find(self.cookies.session(http), used=not listens(http))
        request = self.request(http, "session", "session")
        return await self.standing.of(session, request) if session is not None else None

    async def to_provider(self, http: HttpRequest, back: str | None) -> Response:
        """To the sign-in, and then back."""
        where, mark = await self.signing_in.begin(http, back)
        response = RedirectResponse(where, 303)
        mark(response)
        return response

    def request(self, http: HttpRequest, kind: Kind, name: str) -> Request:
        """A request for the pipeline."""
        return Request(
            server=self.server.name,
            kind=kind,
            name=name,
            request_id=http.scope[REFERENCE],
            era=_ERA,
            client_address=address_of(http),
            agent=http.headers.get("user-agent", "")[:256],
        )


def here(http: HttpRequest) -> str:
    """Which page is asked for: path and query, from the root of the host."""
    path = quote(http.scope["path"], safe="/:@!$&'()*+,;=~-._")
    return f"{path}?{http.url.query}" if http.url.query else path


def address_of(http: HttpRequest) -> str | None:
    return http.client.host if http.client else None


def listens(http: HttpRequest) -> bool:
    """Whether a script of a page asks for events, which nobody has to sit before."""
    return "text/event-stream" in http.headers.get("accept", "")
