from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from tests.browser import Chromium, Unreachable, chromium
from tests.clients.node import npm
from tests.e2e.console.browsing import launched, sign_in
from tests.harness import Suite

SignedIn = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
def program() -> Chromium:
    try:
        return chromium()
    except Unreachable as error:
        pytest.skip(f"NOT RUN, there is no browser: {error}. Install Chromium, or name one with SUITE_CHROMIUM")


@pytest.fixture(scope="session")
def axe() -> None:
    """axe-core, as its lock says."""
    npm.installed(Path(__file__).with_name("axe"))


@pytest.fixture(scope="module")
async def browser(program: Chromium) -> AsyncGenerator[Browser]:
    async with launched(program) as opened:
        yield opened


@pytest.fixture(scope="module")
def console(suite: Suite) -> str:
    """Where the console is."""
    return suite.url("console")


@pytest.fixture
async def signed_in(browser: Browser, console: str) -> AsyncGenerator[SignedIn]:
    """A maker of pages of people who are signed in, each in a browser of their own.

    `await signed_in(persona, path="/", width=1440, scheme="light", **options)`; options are those of Playwright's
    contexts, and `at` is another console than the suite's.
    """
    async with AsyncExitStack() as stack:

        async def make(
            persona: str,
            path: str = "/",
            *,
            width: int = 1440,
            scheme: str = "light",
            at: str | None = None,
            **options: object,
        ) -> Page:
            wanted: dict[str, object] = {
                "viewport": {"width": width, "height": 900},
                "color_scheme": scheme,
                "reduced_motion": "reduce",
                **options,
            }
            context = await browser.new_context(**wanted)  # pyright: ignore[reportArgumentType] - checked by Playwright
            stack.push_async_callback(context.close)
            return await sign_in(context, at or console, persona, path)

        yield make
