"""A browser, as far as pages and their forms need one: it keeps cookies, follows links it is told to, sends forms."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

CODE = re.compile(r'<code id="code">(\d+)</code>')


class Forms(HTMLParser):
    """The forms of a page: where each goes, and what it sends if nobody touches it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((given.get("action", ""), {}))
        elif tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "input" and self.found and (given.get("type") != "checkbox" or "checked" in given):
            self.found[-1][1][given.get("name", "")] = given.get("value", "")

    def to(self, path: str) -> dict[str, str]:
        """What the form that goes there sends."""
        return next(dict(fields) for action, fields in self.found if urlsplit(action).path.endswith(path))


class Browser:
    """One browser at one site.

    Args:
        site: Address of the site: `http://127.0.0.1:1234/board`.
    """

    def __init__(self, site: str) -> None:
        self.site = site
        self.origin = site.rpartition("/")[0]
        self.http = httpx.AsyncClient(timeout=30)
        self.page: httpx.Response | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    def url(self, path: str) -> str:
        return self.site + path

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """A page of the site, not following redirects."""
        self.page = await self.http.get(self.url(path), headers=headers)
        return self.page

    async def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> httpx.Response:
        """Send the form of the last page that goes to `path`, filled in."""
        assert self.page is not None
        fields = {**Forms(self.page.text).to(path), **(form or {})}
        return await self.send(path, fields, **headers)

    async def send(self, path: str, fields: Mapping[str, str], **headers: str) -> httpx.Response:
        """POST these fields and nothing else, as a page of the site would."""
        told = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", **headers}
        sent = {name: value for name, value in told.items() if value}
        return await self.http.post(self.url(path), data=dict(fields), headers=sent)

    async def sign_in(self, persona: str, path: str = "/", *, second_factor: bool = False) -> httpx.Response:
        """Ask for a page, sign in where that leads, and come back: the page."""
        first = await self.get(path)
        assert first.status_code == 303, f"{first.status_code} {first.text}"
        return await self.come_back(await self.provide(first.headers["location"], persona, second_factor=second_factor))

    async def provide(self, where: str, persona: str, *, second_factor: bool = False) -> str:
        """Sign in at the provider; the address it sends the browser back to."""
        page = await self.http.get(where)
        assert page.status_code == 200, f"{page.status_code} {page.text} {page.headers}"
        fields = {**Forms(page.text).to("/login"), "persona": persona}
        if second_factor:
            fields["second_factor"] = "on"
        elif "acr_values=aal2" not in where:
            fields.pop("second_factor", None)
        answer = await self._submit(page, "/login", fields)
        while not answer.startswith(self.site):
            page = await self.http.get(httpx.URL(where).join(answer))
            if "/second-factor" in answer:
                code = CODE.search(page.text)
                assert code is not None
                fields = {**Forms(page.text).to("/second-factor"), "code": code[1], "decision": "continue"}
                answer = await self._submit(page, "/second-factor", fields)
            else:
                answer = await self._submit(page, "/consent", {**Forms(page.text).to("/consent"), "decision": "allow"})
        return answer

    async def come_back(self, where: str) -> httpx.Response:
        """Follow the provider's redirect, and the site's, to the page."""
        back = await self.http.get(where)
        assert back.status_code == 303, f"{back.status_code} {back.text}"
        self.page = await self.http.get(httpx.URL(where).join(back.headers["location"]))
        return self.page

    async def _submit(self, page: httpx.Response, path: str, fields: Mapping[str, str]) -> str:
        action = next(action for action, _ in Forms(page.text).found if urlsplit(action).path.endswith(path))
        answer = await self.http.post(page.url.join(action), data=dict(fields), headers={"Origin": self.origin})
        assert answer.status_code == 303, f"{answer.status_code} {answer.text}"
        return answer.headers["location"]
