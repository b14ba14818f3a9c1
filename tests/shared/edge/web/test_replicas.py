"""Two processes over one Redis: any of them answers any request."""

import anyio
import httpx
import pytest

from tests.harness import Suite
from tests.shared.edge.web.browsing import Browser, Forms

pytestmark = pytest.mark.anyio


class Balanced(Browser):
    """A browser behind a balancer: each request to the site goes to the next process."""

    def __init__(self, replicas: list[Suite]) -> None:
        super().__init__(replicas[0].url("board"))
        self.ports = [suite.settings.port for suite in replicas]
        self.http = httpx.AsyncClient(timeout=30, transport=_Turns(self.ports, self.site))


class _Turns(httpx.AsyncBaseTransport):
    def __init__(self, ports: list[int], site: str) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._ports = ports
        self._site = httpx.URL(site)
        self._turn = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith(self._site.path):
            port = self._ports[self._turn % len(self._ports)]
            self._turn += 1
            request.url = request.url.copy_with(port=port)  # the Host header stays as it is
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def test_a_sign_in_a_form_and_a_step_up_go_round_the_replicas(replicas: list[Suite]) -> None:
    async with Balanced(replicas) as browser:
        page = await browser.sign_in("writer")
        assert "writer-of-acme" in page.text
        for number in range(3):
            await browser.get("/")
            assert (await browser.post("/pin", {"text": f"note {number}"})).status_code == 303
        await browser.get("/wipe/all")
        answer = await browser.post("/wipe", {"why": "typed here"})
        (where, *_) = [link for link in Forms(answer.text).links if "/authorize" in link]
        page = await browser.come_back(await browser.provide(where, "writer"))
        assert Forms(page.text).to("/wipe")["why"] == "typed here"
        assert (await browser.post("/wipe", {"why": "so be it"})).status_code == 303
        await browser.get("/")
        assert (await browser.post("/logout")).status_code == 303
        assert [(await browser.get("/")).status_code for _ in range(2)] == [303, 303]


async def test_a_page_at_one_replica_hears_of_changes_and_of_sign_out_at_another(replicas: list[Suite]) -> None:
    async with Balanced(replicas) as browser:
        await browser.sign_in("writer")
        page = await browser.get("/")
        with anyio.fail_after(20):
            told = {"Accept": "text/event-stream"}
            async with browser.http.stream("GET", browser.url("/events"), headers=told) as stream:
                lines = stream.aiter_lines()
                await anext(lines)
                await browser.http.get(browser.url("/signed-out"))  # so that the form goes to the other one
                fields = {**Forms(page.text).to("/pin"), "text": "heard"}
                await browser.send("/pin", fields)
                heard = await anext(lines)
                while not heard.startswith("data:"):
                    heard = await anext(lines)
                assert heard == "data: note:heard"
                await browser.http.get(browser.url("/signed-out"))
                await browser.send("/logout", Forms(page.text).to("/logout"))
                async for _ in lines:
                    pass
