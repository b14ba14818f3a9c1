"""Sign in at the mock identity provider as a browser would: get the page, post its form."""

from html.parser import HTMLParser

import httpx


class LoginForm(HTMLParser):
    """What a browser would know of the first form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.hidden: dict[str, str] = {}
        self.choices: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given["action"]
        elif tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given["value"]
        elif tag == "button":
            self.choices.append(given["value"])


async def choose_persona(client: httpx.AsyncClient, authorize_url: str, persona: str, **ticked: str) -> str:
    """The redirect URL, with `code` or `error`, after somebody chose `persona` on the page, and ticked boxes.

    `client` keeps cookies, as a browser does, and does not follow redirects (httpx's default).
    """
    page = await client.get(authorize_url)
    assert page.status_code == 200, f"no sign-in page: {page.status_code} {page.headers.get('location', page.text)}"
    form = LoginForm(page.text)
    return await send(client, page, form.action, {**form.hidden, **ticked, "persona": persona})


async def send(client: httpx.AsyncClient, page: httpx.Response, action: str, data: dict[str, str]) -> str:
    """Post a form of the page as a browser does; where it is sent then."""
    # Fetch, "append a request Origin header": under this policy a browser does not say where a form comes from.
    hidden = page.headers.get("referrer-policy") == "no-referrer"
    origin = "null" if hidden else str(page.url.copy_with(raw_path=b"")).rstrip("/")
    answer = await client.post(page.url.join(action), data=data, headers={"Origin": origin})
    assert answer.status_code == 303, f"not redirected: {answer.status_code} {answer.text}"
    return answer.headers["location"]
