"""The page on connecting one's own database: its contract is the code's, and its blocks do what they say."""

import re
from pathlib import Path

import pytest

import servers
from servers.customers.foreign import views
from shared.core.settings import Settings
from shared.core.views import ViewColumn
from shared.ops.doctor import examine_server, show
from shared.state.embedded import EmbeddedPostgres
from tests.data.chinook import PASSWORDS, READER, Shop, shops_of
from tests.docs.fences import claimed

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "connect-your-database.md").read_text("utf-8")
VARIABLES, HEALTHY, BROKEN = claimed("docs/connect-your-database.md", 3)


@pytest.fixture
async def shop(postgres: EmbeddedPostgres) -> Shop:
    return await shops_of(postgres.admin_url).fresh()


def contract() -> str:
    parts: list[str] = []
    for name, view in views.tables.items():
        rows = [f"| `{column}` | {_row(found)} |" for column, found in view.columns.items()]
        head = "| column | type | NULL, or missing | values | meaning |\n|---|---|---|---|---|"
        parts.append("\n".join([f"### `{views.schema}.{name}`\n", head, *rows]))
    return "\n\n".join(parts)


def _row(found: ViewColumn) -> str:
    values = f"one of {', '.join(f'`{value}`' for value in found.values)}" if found.values else ""
    values = f"`{found.pattern}`" if found.pattern else values
    example = f"; e.g. `{found.example}`" if found.example else ""
    cells = (f"`{found.type}`", "yes" if found.nullable else "no", values + example, found.meaning)
    return " | ".join(cell.replace("|", "\\|") for cell in cells)


def test_the_contract_is_the_codes() -> None:
    assert PAGE.endswith(contract() + "\n"), contract()


def test_every_tool_and_resource_over_views_is_named() -> None:
    for name in (*views.tools.tools, *views.tools.resources):
        assert f"`{name}`" in PAGE


def settings_of(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> Settings:
    """As the variables of the page set them, with the test's own host and database."""
    for line in VARIABLES.splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value.replace("db.example.com:5432/chinook", shop.url().rpartition("@")[2]))
    return Settings()


async def test_the_variables_and_the_role_are_those_of_the_page(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    settings = settings_of(monkeypatch, shop)
    assert settings.domain_url["customers"].get_secret_value() == shop.url()
    assert f"{READER}:{PASSWORDS[READER]}@" in VARIABLES
    assert settings.domain_tenant == {"customers": "acme"}


async def test_the_doctor_says_what_the_page_shows(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    settings = settings_of(monkeypatch, shop)
    assert await said(settings) == measured(HEALTHY)
    await shop.run("ALTER VIEW mcp.orders RESET (security_invoker)")
    assert measured(BROKEN) in await said(settings)


async def said(settings: Settings) -> str:
    lines: list[str] = []
    show(await examine_server(settings, servers.load("customers")), lines.append)
    return measured("".join(f"{line}\n" for line in lines))


def measured(text: str) -> str:
    """The text without what differs from one machine to the next."""
    return re.sub(r"allows \d+|takes [\d.]+ ms", "…", text)
