"""One view: who asks, whether the form is ours, what the view shows; and the way through another sign-in."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response

from shared.core.caller import Caller
from shared.core.errors import StepUp
from shared.core.web import View
from shared.edge.web import forms
from shared.edge.web.events import Events, Sources
from shared.edge.web.frame import NONCE, Frame, here, listens
from shared.edge.web.refused import Refused
from shared.edge.web.sessions import WebSession, person_of
from shared.edge.web.signing_in import LASTS_S
from shared.edge.web.visit import WebVisit
from shared.state.keys import CannotOpen

Answer = Callable[[HttpRequest], Awaitable[Response]]

_NOTICE_S = 60
_NOTICE_LONGEST = 500


def answering(frame: Frame, view: View) -> Answer:
    """What answers a request for the view."""

    async def answer(http: HttpRequest) -> Response:
        if view.method == "POST":
            forms.check_origin(http, frame.places.base_url)
        present = await frame.present(http)
        if present is None:
            return await _ask_in(frame, http)
        session, caller = present
        form = forms.Form()
        if view.method == "POST":
            form = await forms.read(http, frame.arrivals)
            form.check(session.csrf)
        visit = _visit(frame, http, session, caller, form)
        await _recall(frame, visit)
        try:
            response = cast("Response", await view.show(visit))
        except StepUp as needs:
            return await _step_up(frame, visit, needs)
        _tell(frame, visit, response)
        return response

    return answer


async def _ask_in(frame: Frame, http: HttpRequest) -> Response:
    """A page leads to the sign-in and back; what would do something does not."""
    if http.method not in {"GET", "HEAD"} or listens(http):
        raise Refused("signed_out", 401, "You are signed out, and nothing was done. Sign in again, and repeat it.")
    return await frame.to_provider(http, here(http))


async def _step_up(frame: Frame, visit: WebVisit, needs: StepUp) -> Response:
    """To the provider, for a stronger or fresher sign-in, and back to the page, with what was typed there.

    After a POST by way of a page: browsers hold every redirect that answers a form to `form-action`.
    """
    http, posted = visit.http, visit.http.method == "POST"
    back = visit.sent.page if posted else visit.here
    where, mark = await frame.signing_in.begin(http, back, needs)
    response: Response = RedirectResponse(where, 303)
    if posted:
        response = HTMLResponse(frame.pages.render("sign_in_again.html", where=where, message=needs.message), 401)
        name = secrets.token_urlsafe(32)
        kept = [person_of(visit.caller), frame.places.back(back), visit.sent.fields]
        await frame.store.put("typed", name, orjson.dumps(kept), LASTS_S)
        frame.cookies.tell_once(response, "typed", name, LASTS_S)
    mark(response)
    return response


async def _recall(frame: Frame, visit: WebVisit) -> None:
    """What was kept for this page: what was typed when its form needed another sign-in, and the notice."""
    cookies, http = frame.cookies, visit.http
    name = cookies.told_once(http, "typed") if http.method == "GET" else None
    kept = await frame.store.get("typed", name) if name else None
    if name and kept is not None:
        person, page, fields = orjson.loads(kept)
        if tuple(person) == person_of(visit.caller) and page == visit.here:
            await frame.store.take("typed", name)
            visit.typed = dict(fields)
    if notice := cookies.told_once(http, "notice"):
        visit.told_notice = _opened(frame, visit.session, notice)


def _tell(frame: Frame, visit: WebVisit, response: Response) -> None:
    """Keep a notice for the next page; forget what this one showed."""
    if visit.typed:
        frame.cookies.tell_once(response, "typed", "", 0)
    if visit.notice is not None:
        said = visit.notice[:_NOTICE_LONGEST].encode()
        sealed = frame.common.states.seal(said, _bound(visit.session)).hex()
        frame.cookies.tell_once(response, "notice", sealed, _NOTICE_S)
    elif visit.told_notice is not None and isinstance(response, HTMLResponse):
        frame.cookies.tell_once(response, "notice", "", 0)


def _opened(frame: Frame, session: WebSession, sealed: str) -> str | None:
    try:
        return frame.common.states.open(bytes.fromhex(sealed), _bound(session)).decode()
    except (CannotOpen, ValueError):
        return None


def _bound(session: WebSession) -> bytes:
    """Nobody else is shown it, and nobody else can have it shown."""
    return b"notice " + session.csrf.encode()


def _visit(frame: Frame, http: HttpRequest, session: WebSession, caller: Caller, form: forms.Form) -> WebVisit:
    return WebVisit(
        http=http,
        here=here(http),
        request=frame.request(http, "tool", ""),
        session=session,
        caller=caller,
        tools=frame.tools,
        pipeline=frame.pipeline,
        pages=frame.pages,
        places=frame.places,
        follow=lambda visit, topics: _follow(frame, visit, topics),
        sent=form,
        nonce=http.scope[NONCE],
    )


def _follow(frame: Frame, visit: WebVisit, topics: Sequence[str]) -> Events:
    common, session = frame.common, visit.session

    async def lasts() -> bool:
        return await frame.sessions.find(session.id, used=False) is not None

    sources = Sources(frame.server.name, common.notices, common.streams, common.pressure, common.bus)
    return Events(sources, visit.caller, session.id, topics, visit.http.headers.get("last-event-id"), lasts)
