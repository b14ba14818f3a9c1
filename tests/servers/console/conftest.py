from collections.abc import AsyncGenerator

import pytest

import servers
from tests.harness import Databases, Suite, open_suite
from tests.servers.console import letters
from tests.shared.edge.web.browsing import Browser


@pytest.fixture(scope="module")
async def office(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Suite]:
    """The console, and a stand-in whose calls people approve."""
    folder = tmp_path_factory.mktemp("office")
    served = [servers.load("console"), letters.server]
    async with open_suite(await databases.fresh(), folder, databases.admin_url, served=served) as opened:
        yield opened


@pytest.fixture(scope="module")
async def approver(office: Suite) -> AsyncGenerator[Browser]:
    """An approver who has just signed in."""
    async with Browser(office.url("console")) as browser:
        page = await browser.sign_in("approver", "/approvals", second_factor=True)
        assert page.status_code == 200, page.text
        yield browser
