"""The catalogue with its kill switch, and health, over real HTTP."""

import html
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

import anyio
import pytest

from compose.idp import personas
from shared.state.roles import Urls
from tests.harness import Databases, Suite, open_suite
from tests.shared.edge.web.browsing import Browser

pytestmark = pytest.mark.anyio

TOOL = "/catalogue/stop?kind=tool&server=customers&name=get_customer"
RESUME = re.compile(r"/catalogue/resume/(\d+)")


@pytest.fixture(scope="module")
async def fleet(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[Suite, Suite]]:
    """Two replicas over one database."""
    urls: Urls = await databases.fresh()
    folder = tmp_path_factory.mktemp("fleet")
    async with (
        open_suite(urls, folder, databases.admin_url) as one,
        open_suite(urls, folder, databases.admin_url) as other,
    ):
        yield one, other


@pytest.fixture(scope="module")
async def admin(fleet: tuple[Suite, Suite]) -> AsyncGenerator[Browser]:
    """An administrator who has just signed in with two factors."""
    async with Browser(fleet[0].url("console")) as browser:
        page = await browser.sign_in("admin", "/catalogue", second_factor=True)
        assert page.status_code == 200, page.text
        yield browser


@pytest.fixture(autouse=True)
async def nothing_off(fleet: tuple[Suite, Suite]) -> AsyncGenerator[None]:
    """What a test stops is on again after it."""
    yield
    await fleet[0].sql("DELETE FROM suite.switches")


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(10):
        while not await holds():
            await anyio.sleep(0.05)


async def answers(suite: Suite, persona: str = "support") -> bool:
    called = await suite.call(persona, "get_customer", {"customer_id": "C-000042"})
    return "error" not in called


async def test_the_catalogue_tells_what_servers_offer_and_what_asks_people_first(admin: Browser) -> None:
    page = await admin.get("/catalogue")
    for words in ("get_customer", "customer://", "customers:read", "high risk", "needs the approval of 1 person"):
        assert words in page.text
    assert "Nothing is switched off" in page.text


async def test_a_stopped_tool_is_gone_at_another_replica_until_it_is_resumed(
    fleet: tuple[Suite, Suite], admin: Browser
) -> None:
    one, other = fleet
    assert await answers(other)
    page = await admin.get(TOOL)
    assert "customers.get_customer will be missing for everybody of acme, at every replica." in page.text
    assert await one.sql("SELECT FROM suite.switches") == []
    done = await admin.post("/catalogue/stop", {"lasts": "1h", "reason": "it returns the wrong customer"})
    assert done.status_code == 303, done.text

    async def gone() -> bool:
        return not await answers(other)

    await until(gone)
    assert await answers(other, "outsider")
    page = await admin.get("/catalogue")
    assert "it returns the wrong customer" in page.text
    stopped = next(each for each in await one.records(target="stop") if each["kind"] == "switch")
    assert (stopped["kind"], stopped["tenant"], stopped["actor"], stopped["agent"]) == (
        *("switch", "acme", "acme-admin", "console"),
    )
    found = RESUME.search(page.text)
    assert found is not None
    await admin.get(found[0])
    assert (await admin.post(found[0], {"reason": "mended"})).status_code == 303

    async def back() -> bool:
        return await answers(other)

    await until(back)


async def test_a_stopped_person_is_refused_with_the_reason(fleet: tuple[Suite, Suite], admin: Browser) -> None:
    _, other = fleet
    page = await admin.get("/catalogue/stop?kind=user")
    assert "will be refused" not in page.text
    page = await admin.get("/catalogue/stop?kind=user&name=acme-support-agent")
    assert "Every call of acme-support-agent in acme will be refused, with whichever program." in page.text
    sent = {"lasts": "8h", "reason": "the laptop was stolen"}
    assert (await admin.post("/catalogue/stop", sent)).status_code == 303

    async def refused() -> bool:
        called = await other.call("support", "get_customer", {"customer_id": "C-000042"})
        return "the laptop was stolen" in str(called.get("error"))

    await until(refused)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "user", "name": "acme-admin"}, "lock you out"),
        ({"kind": "server", "server": "console"}, "cannot stop itself"),
        ({"kind": "server", "server": "nowhere"}, "no such server"),
        ({"kind": "tool", "server": "customers", "name": "nothing"}, "nothing of that name"),
        ({"kind": "user", "name": "somebody", "lasts": "soon"}, "no time we know"),
        ({"kind": "user", "name": "somebody", "reason": "x"}, "reason"),
        ({"kind": "tenant", "name": "globex"}, "kind"),
        ({"kind": "token", "name": "0a1b2c3d"}, "kind"),
    ],
)
async def test_what_may_not_be_stopped_here_is_refused_and_said(
    fleet: tuple[Suite, Suite], admin: Browser, fields: dict[str, str], said: str
) -> None:
    await admin.get("/catalogue/stop?kind=user&name=somebody")
    answer = await admin.post("/catalogue/stop", {"reason": "a good one", **fields})
    assert 400 <= answer.status_code < 500
    assert said in html.unescape(answer.text)
    assert await fleet[0].sql("SELECT FROM suite.switches") == []


async def test_what_is_off_for_everybody_is_shown_and_only_an_operator_lifts_it(
    fleet: tuple[Suite, Suite], admin: Browser
) -> None:
    insert = (
        "INSERT INTO suite.switches (kind, server, name, tenant, reason, set_by) VALUES ($1, $2, $3, $4, $5, 'ops')"
    )
    await fleet[0].sql(insert, "tool", "customers", "merge_customers", None, "for all")
    await fleet[0].sql(insert, "user", None, "globex-admin", "globex", "another tenant's")
    page = await admin.get("/catalogue")
    assert "only an operator lifts it" in page.text
    assert "another tenant" not in page.text
    assert "globex" not in page.text
    for [number] in await fleet[0].sql("SELECT id FROM suite.switches"):
        assert (await admin.get(f"/catalogue/resume/{number}")).status_code in {403, 404}
    assert len(await fleet[0].sql("SELECT FROM suite.switches")) == 2


async def test_the_role_of_the_console_can_neither_stop_nor_lift_beyond_the_tenant(fleet: tuple[Suite, Suite]) -> None:
    one, _ = fleet
    refused = """
        DO $$ BEGIN
            PERFORM set_config('app.tenant', 'acme', true);
            SET LOCAL ROLE suite_console;
            BEGIN
                INSERT INTO suite.switches (kind, server, tenant, reason, set_by)
                VALUES ('server', 'mail', {}, 'r', 'x');
                RAISE EXCEPTION 'it was let in';
            EXCEPTION WHEN insufficient_privilege THEN NULL;
            END;
        END $$
    """
    for tenant in ("NULL", "'globex'"):
        await one.sql(refused.format(tenant))
    assert await one.sql("SELECT FROM suite.switches") == []


async def test_stopping_needs_the_scope_and_a_fresh_second_factor(
    fleet: tuple[Suite, Suite], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = fleet
    plain = replace(personas.PERSONAS["admin"], key="plain", subject="acme-plain-admin", acr="aal1")
    monkeypatch.setitem(personas.PERSONAS, "plain", plain)
    async with Browser(one.url("console")) as auditor:
        await auditor.sign_in("auditor", "/catalogue", second_factor=True)
        assert "Stop a person" not in auditor.page.text if auditor.page else ""
        assert (await auditor.get(TOOL)).status_code == 404
    async with Browser(one.url("console")) as weak:
        await weak.sign_in("plain", "/catalogue")
        again = await weak.get(TOOL)
        assert again.status_code == 303
        where = again.headers["location"]
        assert "acr_values=aal2" in where
        assert "max_age=300" in where
        page = await weak.come_back(await weak.provide(where, "plain"))
        assert "will be missing for everybody of acme" in page.text


async def test_health_shows_calls_as_plots_with_words_and_as_a_table(
    fleet: tuple[Suite, Suite], admin: Browser
) -> None:
    for _ in range(3):
        await answers(fleet[0])
    page = await admin.get("/health")
    assert page.status_code == 200
    assert page.text.count('<svg viewBox="0 0 420 180" role="img"') == 4
    assert "<title id=" in page.text
    assert "<desc id=" in page.text
    assert 'data-label="Calls"' in page.text
    assert "does not answer" not in page.text
    assert (await admin.get("/health?window=day")).status_code == 200
    looked = (await fleet[0].records(tenant="acme", target="get_health", limit=1))[0]
    assert looked["subject"] == "acme-admin"
