"""What a view works with: `shared.core.web.Visit`, for one request."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

import orjson
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from shared.core.asking import Asked
from shared.core.caller import Caller
from shared.core.errors import CannotAsk
from shared.core.request import Request
from shared.core.tool import Tool, WriteArguments
from shared.edge.web.events import Events
from shared.edge.web.forms import Form
from shared.edge.web.pages import Pages, hidden_fields
from shared.edge.web.places import Places
from shared.edge.web.sessions import WebSession
from shared.pipeline import Pipeline

_KEY_BYTES = 16


@dataclass
class WebVisit:
    """One request of somebody who is signed in.

    Attributes:
        here: Its page: path and query, from the root of the host.
        request: For the pipeline; each call of a tool is made of it.
        told_notice: What the redirect before said.
        notice: What the next page is to say.
    """

    http: HttpRequest
    here: str
    request: Request
    session: WebSession
    caller: Caller
    tools: Mapping[str, Tool]
    pipeline: Pipeline
    pages: Pages
    places: Places
    follow: Callable[["WebVisit", Sequence[str]], Events]
    sent: Form = field(default_factory=Form)
    typed: Mapping[str, str] = field(default_factory=dict[str, str])
    nonce: str = ""
    told_notice: str | None = None
    notice: str | None = None

    @property
    def path(self) -> Mapping[str, str]:
        return self.http.path_params

    @property
    def query(self) -> Mapping[str, str]:
        return dict(self.http.query_params.multi_items())

    @property
    def form(self) -> Mapping[str, str]:
        return self.sent.values

    def form_all(self, name: str) -> list[str]:
        return self.sent.every(name)

    def query_all(self, name: str) -> list[str]:
        return self.http.query_params.getlist(name)

    def may(self, scope: str) -> bool:
        return self.caller.may(scope)

    def url(self, path: str, **query: Any) -> str:
        return self.places.url(path, **query)

    async def run(self, tool: str, **arguments: Any) -> dict[str, Any]:
        declared = self.tools.get(tool)
        writes = declared is not None and issubclass(declared.arguments, WriteArguments)
        if writes and self.sent.once is not None and "idempotency_key" not in arguments:
            arguments = {**arguments, "idempotency_key": _key(self.sent.once, tool, arguments)}
        request = replace(self.request, name=tool, arguments=arguments)
        try:
            return (await self.pipeline.call(request, self.caller, declared)).value
        except Asked:
            raise CannotAsk("This needs a confirmation that a page cannot ask for.") from None

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        known = {
            **{"caller": self.caller, "notice": self.told_notice, "typed": self.typed, "here": self.here},
            **{"nonce": self.nonce, "may": self.may, "csrf_field": self._fields},
        }
        return HTMLResponse(self.pages.render(template, **known, **values), status)

    def redirect(self, path: str, *, notice: str | None = None) -> Response:
        self.notice = notice
        return RedirectResponse(self.places.url(path), 303)

    def download(self, name: str, mime: str, chunks: AsyncIterator[bytes]) -> Response:
        named = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        return StreamingResponse(chunks, media_type=mime, headers={"Content-Disposition": named})

    def events(self, topics: Sequence[str]) -> Response:
        return self.follow(self, topics)

    def _fields(self) -> Any:
        page = self.sent.page if self.http.method == "POST" and self.sent.page else self.here
        return hidden_fields(self.session.csrf, secrets.token_urlsafe(_KEY_BYTES), page)


def _key(once: str, tool: str, arguments: Mapping[str, Any]) -> str:
    """The same for the same form and arguments, so that what is sent twice is done once."""
    said = orjson.dumps([tool, arguments], option=orjson.OPT_SORT_KEYS, default=str)
    return f"{once}.{blake2b(said, digest_size=_KEY_BYTES).hexdigest()}"
