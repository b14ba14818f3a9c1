"""Sign in and decide on the consent page as a browser would: get each page, fill in, post its form."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

import httpx

from tests.personas import LoginForm, choose_persona, send


class ConsentForm(LoginForm):
    """The form of a consent page: its boxes and whether they are ticked, too."""

    def __init__(self, page: str) -> None:
        self.ticked: dict[str, bool] = {}
        super().__init__(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and given["type"] == "checkbox":
            self.ticked[given["name"]] = "checked" in given

    def answer(self, decision: str = "allow", untick: Collection[str] = ()) -> dict[str, str]:
        """What a browser sends when that button is pressed."""
        boxes = {name: "yes" for name, ticked in self.ticked.items() if ticked}
        for scope in untick:
            del boxes[f"allow:{scope}"]
        return {**self.hidden, **boxes, "decision": decision}


async def decide(
    browser: httpx.AsyncClient, page_url: httpx.URL, decision: str = "allow", untick: Collection[str] = ()
) -> str:
    """Where the consent page sends the browser."""
    page = await browser.get(page_url)
    assert page.status_code == 200, f"no consent page: {page.status_code} {page.text}"
    form = ConsentForm(page.text)
    return await send(browser, page, form.action, form.answer(decision, untick))


async def prove(browser: httpx.AsyncClient, page_url: httpx.URL, code: str | None = None) -> str:
    """Where the page of the second factor sends the browser; without a `code` the one on the page is entered."""
    page = await browser.get(page_url)
    assert page.status_code == 200, f"no page of a second factor: {page.status_code} {page.text}"
    form = LoginForm(page.text)
    shown = re.search(r'<code id="code">(\d{6})</code>', page.text)
    assert shown is not None
    entered = {"code": shown[1] if code is None else code, "decision": "continue"}
    return await send(browser, page, form.action, {**form.hidden, **entered})


async def sign_in(
    browser: httpx.AsyncClient,
    authorize_url: str,
    persona: str,
    decision: str = "allow",
    untick: Collection[str] = (),
    **ticked: str,
) -> str:
    """The redirect URL, with `code` or `error`, after somebody chose `persona`, entered the code of a second factor and
    decided, if they were asked to.
    """
    location = await choose_persona(browser, authorize_url, persona, **ticked)
    if urlsplit(location).path.endswith("/second-factor"):
        location = await prove(browser, httpx.URL(authorize_url).join(location))
    if not location.startswith("/"):
        return location
    return await decide(browser, httpx.URL(authorize_url).join(location), decision, untick)
