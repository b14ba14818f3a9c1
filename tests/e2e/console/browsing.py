"""People at the console, in a real browser: sign-in, axe-core, screenshots, and what can be measured of a layout."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser import Chromium

SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
"""Of each page, by name, width and scheme; not kept by git."""

AXE = Path(__file__).with_name("axe") / "node_modules" / "axe-core" / "axe.min.js"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_WAIT_MS = 15_000

_OVERFLOW = """() => {
  const wide = document.documentElement.clientWidth;
  const inScroller = (one) => { for (let up = one.parentElement; up; up = up.parentElement)
    if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(up).overflowX)) return true; return false; };
  const out = [...document.querySelectorAll('body *')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.width > 1 && (box.right > wide + 0.5 || box.left < -0.5) && !inScroller(one)
      && !one.closest('.visually-hidden, .skip, iframe');
  });
  return { page: document.documentElement.scrollWidth - wide, out: out.map((one) => one.outerHTML.slice(0, 120)) };
}"""

_FOCUS = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect(), style = getComputedStyle(one);
  return { what: (one.innerText || one.getAttribute('aria-label') || one.name || one.title || one.tagName).trim(),
    tag: one.tagName, y: Math.round(box.top + scrollY), x: Math.round(box.left), seen: box.width > 0 && box.height > 0,
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 };
}"""


@asynccontextmanager
async def launched(program: Chromium) -> AsyncGenerator[Browser]:
    """Chromium without a window; its own sandbox needs rights that containers do not give."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program.path,
            args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
            env={**os.environ, **program.environment},
        )
        try:
            yield browser
        finally:
            await browser.close()


async def sign_in(context: BrowserContext, console: str, persona: str, path: str = "/") -> Page:
    """A new page of somebody who has come through the sign-in to the console."""
    page = await context.new_page()
    page.set_default_timeout(_WAIT_MS)
    await page.goto(console + path)
    await be(page, persona)
    await page.wait_for_url(f"{console}/**")
    return page


async def be(page: Page, persona: str) -> None:
    """Choose who to be at the mock provider, and say yes to whatever it asks."""
    await page.locator(f'button[name=persona][value="{persona}"]').click()
    await through(page)


async def through(page: Page) -> None:
    """Past the second factor and the consent, where the provider shows them."""
    code = page.locator("#code")
    if await code.count():
        await page.locator("#entered").fill(await code.inner_text())
        await page.locator('button[value="continue"]').click()
    allow = page.locator('button[name=decision][value="allow"]')
    if await allow.count():
        await allow.click()


async def violations(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical, one line each."""
    await page.evaluate(AXE.read_text())  # as the debugger does it: the page's own policy lets no such script in
    found: dict[str, Any] = await page.evaluate(
        "(rules) => axe.run(document, {runOnly: rules, resultTypes: ['violations'], iframes: false})", _RULES
    )
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node.get('failureSummary', '')}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


async def overflow(page: Page) -> dict[str, Any]:
    """By how much the page is wider than the window, and what sticks out."""
    return await page.evaluate(_OVERFLOW)


async def tabbed(page: Page, most: int = 80) -> list[dict[str, Any]]:
    """What the tab key reaches, in order, from the top of the page."""
    await page.evaluate("() => { document.activeElement?.blur(); scrollTo(0, 0); }")
    reached: list[dict[str, Any]] = []
    for _ in range(most):
        await page.keyboard.press("Tab")
        here = await page.evaluate(_FOCUS)
        if here is None or here in reached:
            break
        reached.append(here)
    return reached


async def shot(page: Page, name: str) -> Path:
    """A screenshot of the whole page, named after its width and colours."""
    size = page.viewport_size or {"width": 0}
    dark = await page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    path = SCREENSHOTS / f"{name}-{size['width']}-{'dark' if dark else 'light'}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    for frame in await page.locator("iframe").all():  # what was never in the window was never painted
        await frame.scroll_into_view_if_needed()
    await page.screenshot(path=path, full_page=True)
    return path
