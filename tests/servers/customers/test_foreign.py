"""The customers server over Chinook: a company's own tables, reached by three views and nothing else."""

import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters

from servers.customers import models
from servers.customers.foreign import views
from servers.customers.schema import customers, order_lines, orders
from servers.customers.server import server
from servers.customers.tools import tools
from shared.core.errors import Misconfigured
from shared.core.tool import Effect
from shared.state.embedded import EmbeddedPostgres
from tests.clients.local import Local
from tests.data.chinook import Shop, Shops, shops_of, sql
from tests.harness import Databases, Suite, open_suite
from tests.processes import COMMAND

pytestmark = pytest.mark.anyio

FIRST = "C-00000001"
READS = ["get_customer", "get_customers", "search_customers", "list_customer_orders", "get_order"]


@pytest.fixture(scope="module")
def shops(postgres: EmbeddedPostgres) -> Shops:
    return shops_of(postgres.admin_url)


@pytest.fixture(scope="module")
async def shop(shops: Shops) -> Shop:
    return await shops.fresh()


@pytest.fixture(scope="module")
async def over_views(
    databases: Databases, shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Suite]:
    """The application over Chinook, all of it one tenant's: acme's."""
    folder = tmp_path_factory.mktemp("data")
    domain: dict[str, Any] = {"domain_url": {"customers": shop.url()}, "domain_tenant": {"customers": "acme"}}
    async with open_suite(await databases.fresh(), folder, databases.admin_url, **domain) as opened:
        yield opened


async def ask(suite: Suite, persona: str, tool: str, **arguments: Any) -> Any:
    return await suite.call(persona, tool, arguments)


async def read(client: Client, uri: str) -> Any:
    [content] = (await client.read_resource(uri)).contents
    return content.text  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_client_sees_reads_and_no_write(over_views: Suite, era: str) -> None:
    async with over_views.connect("admin", era) as client:
        listed = (await client.list_tools()).tools
        templates = (await client.list_resource_templates()).resource_templates
    assert [tool.name for tool in listed] == READS
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed)
    assert {name for name, tool in tools.tools.items() if tool.effect is Effect.WRITE}.isdisjoint(READS)
    assert [template.uri_template for template in templates] == [
        "customer://{customer_id}",
        "customer://{customer_id}/orders",
    ]


@pytest.mark.parametrize("name", [name for name in tools.tools if name not in READS])
async def test_what_is_not_listed_cannot_be_called_either(over_views: Suite, name: str) -> None:
    answer = await over_views.post(over_views.token("admin"), "tools/call", {"name": name, "arguments": {}})
    assert answer.json()["error"]["code"] == -32602


async def test_instructions_and_descriptions_name_no_tool_that_is_not_there(over_views: Suite) -> None:
    missing = tools.tools.keys() - set(READS)
    told = [views.instructions, *(tool.description for tool in views.tools.tools.values())]
    assert [(name, text) for name in missing for text in told if name in text] == []
    async with over_views.connect(era="legacy") as client:
        shown = client.instructions
    assert shown == views.instructions


async def test_a_customer_is_read_with_its_data_masked_as_ever(over_views: Suite) -> None:
    whole = await ask(over_views, "manager", "get_customer", customer_id=FIRST)
    assert whole["name"] == "Luís Gonçalves"
    assert whole["email"] == "luisg@embraer.com.br"
    assert (whole["country"], whole["segment"], whole["tags"]) == ("BR", "small_business", ["rep-3"])
    masked = await ask(over_views, "support", "get_customer", customer_id=FIRST)
    for field in ("email", "phone", "street", "postal_code"):
        assert masked[field] != whole[field]
    [record] = await over_views.records(target="get_customer", subject="acme-support-agent", limit=1)
    assert record["outcome"] == "ok"


async def test_several_customers_are_read_and_the_missing_named(over_views: Suite) -> None:
    answer = await ask(over_views, "manager", "get_customers", customer_ids=["C-00000059", "C-00000060"])
    assert [found["name"] for found in answer["customers"]] == ["Puja Srivastava"]
    assert answer["missing"] == ["C-00000060"]


async def test_orders_come_newest_first_with_their_lines_page_by_page(over_views: Suite, shop: Shop) -> None:
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await ask(over_views, "manager", "list_customer_orders", customer_id=FIRST, limit=3, **cursor)
        seen += page["orders"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [order["id"] for order in seen] == [f"O-{number:08}" for number in (382, 327, 316, 195, 143, 121, 98)]
    assert seen == sorted(seen, key=lambda order: order["ordered_at"], reverse=True)
    oldest = seen[-1]
    assert (oldest["total"], oldest["currency"], oldest["line_count"]) == ("3.98", "USD", 2)
    assert [(line["line"], line["unit_price"]) for line in oldest["lines"]] == [(1, "1.99"), (2, "1.99")]
    assert oldest["lines"][0]["description"]


async def test_one_order_is_read_whole(over_views: Suite) -> None:
    order = await ask(over_views, "manager", "get_order", order_id="O-00000098")
    assert (order["customer_id"], order["complete"], len(order["lines"])) == (FIRST, True, 2)
    missing = await ask(over_views, "manager", "get_order", order_id="O-00000999")
    assert missing["error"]["code"] == "not_found"


async def test_resources_are_read(over_views: Suite) -> None:
    async with over_views.connect("manager") as client:
        customer = await read(client, f"customer://{FIRST}")
        ordered = await read(client, f"customer://{FIRST}/orders")
    assert "Gonçalves" in customer
    assert "O-00000382" in ordered


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("gonçalves", ["C-00000001"]),
        ("LUÍS", ["C-00000001"]),
        ("rojas luis", ["C-00000057"]),
        ("rojas luís", []),
        ("jetbrains", ["C-00000005"]),
        ("rep-4 paris", ["C-00000039", "C-00000040"]),
        ("C-0000005", [f"C-{number:08}" for number in range(50, 60)]),
        ("%a%", []),
        ("fr_nk", []),
        ("nobody-has-this", []),
    ],
)
async def test_all_words_must_be_there_somewhere(over_views: Suite, query: str, expected: list[str]) -> None:
    found = await ask(over_views, "support", "search_customers", query=query, limit=100)
    assert sorted(customer["id"] for customer in found["customers"]) == expected
    assert (found["total_count"], found["total_is_exact"], found["next_cursor"]) == (len(expected), True, None)


async def test_filters_narrow_the_search(over_views: Suite) -> None:
    in_france = await ask(over_views, "support", "search_customers", query="C-", country="FR")
    assert in_france["total_count"] == 5
    assert {customer["country"] for customer in in_france["customers"]} == {"FR"}
    firms = await ask(over_views, "support", "search_customers", query="C-", segment="small_business", tag="rep-5")
    assert [customer["id"] for customer in firms["customers"]] == ["C-00000011", "C-00000017", "C-00000014"]
    assert (await ask(over_views, "support", "search_customers", query="C-", tag="rep"))["total_count"] == 0


async def test_pages_of_a_search_hold_everybody_once_sorted_by_name(over_views: Suite) -> None:
    names: list[str] = []
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await ask(over_views, "support", "search_customers", query="C-", limit=7, **cursor)
        assert page["total_count"] == 59
        names += [customer["name"] for customer in page["customers"]]
        ids += [customer["id"] for customer in page["customers"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(ids) == [f"C-{number:08}" for number in range(1, 60)]
    assert names[0].startswith("Aaron")


async def test_a_cursor_is_of_one_caller_and_one_query(over_views: Suite) -> None:
    page = await ask(over_views, "support", "search_customers", query="C-", limit=7)
    for persona, query in (("manager", "C-"), ("support", "C-0")):
        params = {"name": "search_customers", "arguments": {"query": query, "cursor": page["next_cursor"]}}
        answer = await over_views.post(over_views.token(persona), "tools/call", params)
        assert answer.json()["error"]["code"] == -32602


@pytest.mark.parametrize(
    "query", ["luisg@embraer.com.br", "LUISG@", "+55 12 3923", "0055 (12) 3923-5555", "551239235555"]
)
async def test_by_email_or_phone_only_with_personal_data(over_views: Suite, query: str) -> None:
    allowed = await ask(over_views, "manager", "search_customers", query=query)
    assert FIRST in [customer["id"] for customer in allowed["customers"]]
    refused = await ask(over_views, "support", "search_customers", query=query)
    unknown = await ask(over_views, "support", "search_customers", query="nobody@nowhere.example")
    assert refused == unknown
    assert (refused["customers"], refused["total_count"]) == ([], 0)
    assert "customers:pii" in refused["note"]


@pytest.mark.parametrize("query", ["embraer.com.br", "3923-5555 x", "Faria", "12227"])
async def test_words_do_not_reach_personal_data(over_views: Suite, query: str) -> None:
    for persona in ("support", "manager"):
        assert (await ask(over_views, persona, "search_customers", query=query))["customers"] == []


async def test_another_tenant_than_the_pinned_one_sees_nothing(over_views: Suite) -> None:
    for tool, arguments in (("get_customer", {"customer_id": FIRST}), ("get_order", {"order_id": "O-00000098"})):
        assert (await ask(over_views, "outsider", tool, **arguments))["error"]["code"] == "not_found"
    listed = await ask(over_views, "outsider", "list_customer_orders", customer_id=FIRST)
    assert listed["error"]["code"] == "not_found"
    assert (await ask(over_views, "outsider", "get_customers", customer_ids=[FIRST]))["missing"] == [FIRST]
    assert (await ask(over_views, "outsider", "search_customers", query="C-"))["total_count"] == 0
    async with over_views.connect("outsider") as client:
        with pytest.raises(MCPError):
            await read(client, f"customer://{FIRST}")


async def test_two_tenants_with_the_same_ids_see_each_their_own(
    databases: Databases, shops: Shops, tmp_path: Path
) -> None:
    shop = await shops.fresh()
    await shop.run(sql("tenants"))
    domain: dict[str, Any] = {"domain_url": {"customers": shop.url()}}
    async with open_suite(await databases.fresh(), tmp_path, databases.admin_url, **domain) as suite:
        names = {who: (await ask(suite, who, "get_customer", customer_id=FIRST))["name"] for who in WHO}
        found = {who: await ask(suite, who, "search_customers", query="C-", limit=100) for who in WHO}
        listed = {who: await ask(suite, who, "list_customer_orders", customer_id=FIRST) for who in WHO}
        orders_ = {who: await ask(suite, who, "get_order", order_id="O-00000098") for who in WHO}
    assert names == {"admin": "Luís Gonçalves of acme", "outsider": "Luís Gonçalves of globex"}
    for who, tenant in WHO.items():
        assert found[who]["total_count"] == 59
        assert {customer["name"].rpartition(" of ")[2] for customer in found[who]["customers"]} == {tenant}
        lines = [line for order in (*listed[who]["orders"], orders_[who]) for line in order["lines"]]
        assert {line["sku"].split()[0] for line in lines} == {tenant}
    assert [orders_[who]["total"] for who in WHO] == ["3.98", "1003.98"]


WHO = {"admin": "acme", "outsider": "globex"}


async def test_a_row_outside_the_contract_is_a_typed_failure_without_its_value(
    databases: Databases, shops: Shops, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = await shops.fresh()
    broken = sql("views").replace("'active'    ", "'secret-stage'", 1)
    await shop.run("DROP SCHEMA mcp CASCADE", broken, sql("grants"))
    domain: dict[str, Any] = {"domain_url": {"customers": shop.url()}, "domain_tenant": {"customers": "acme"}}
    async with open_suite(await databases.fresh(), tmp_path, databases.admin_url, **domain) as suite:
        answer = await ask(suite, "admin", "get_customer", customer_id=FIRST)
    assert answer["error"]["code"] == "unavailable"
    assert "status" in answer["error"]["message"]
    assert "doctor" in answer["error"]["message"]
    assert "secret-stage" not in str(answer) + "".join(capsys.readouterr())


async def test_while_the_companys_database_is_away_calls_fail_typed_and_recover(
    databases: Databases, shops: Shops, tmp_path: Path
) -> None:
    shop = await shops.fresh()
    domain: dict[str, Any] = {"domain_url": {"customers": shop.url()}, "domain_tenant": {"customers": "acme"}}
    async with open_suite(await databases.fresh(), tmp_path, databases.admin_url, **domain) as suite:
        states = [await state(suite)]
        await suite.sql(f"ALTER DATABASE {shop.name} ALLOW_CONNECTIONS false")
        await suite.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", shop.name)
        states.append(await state(suite))
        await suite.sql(f"ALTER DATABASE {shop.name} ALLOW_CONNECTIONS true")
        states.append(await state(suite))
        outcomes = [record["outcome"] for record in await suite.records(target="get_customer")]
    assert states == [("ok", 200, "ok"), ("unavailable", 503, "unavailable"), ("ok", 200, "ok")]
    assert outcomes == ["ok", "unavailable", "ok"]


async def state(suite: Suite) -> tuple[str, int, str]:
    """How a call ends, and what readiness says of the company's database."""
    answer = await ask(suite, "admin", "get_customer", customer_id=FIRST)
    async with suite.http() as client:
        ready = await client.get(f"{suite.settings.base_url}/readyz")
    return answer.get("error", {}).get("code", "ok"), ready.status_code, ready.json()["checks"]["customers database"]


async def test_nothing_of_the_servers_own_tables_is_shown(over_views: Suite) -> None:
    own = await ask(over_views, "admin", "get_customer", customer_id="C-000001")
    assert own["error"]["code"] == "not_found"
    assert await over_views.sql("SELECT 1 FROM customers.customers WHERE id = 'C-000001'")


async def test_over_stdio_it_reads_the_same(databases: Databases, shop: Shop, tmp_path: Path) -> None:
    local = Local(await databases.fresh(), tmp_path)
    env = local.env | {"SUITE_DOMAIN_URL__CUSTOMERS": shop.url(), "SUITE_DOMAIN_TENANT__CUSTOMERS": "acme"}
    process = StdioServerParameters(command=str(COMMAND), args=["serve", "customers", "--stdio"], env=env)
    async with Client(process) as client:
        listed = [tool.name for tool in (await client.list_tools()).tools]
        found = await client.call_tool("get_customer", {"customer_id": FIRST})
    assert listed == READS
    assert found.structured_content
    assert found.structured_content["name"] == "Luís Gonçalves"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SUITE_DOMAIN_URL__CUSTOMER": "postgresql://u@127.0.0.1:1/x"}, "domain_url names customer; there are: "),
        ({"SUITE_DOMAIN_TENANT__CUSTOMERS": "acme"}, "which has no domain_url"),
        ({"SUITE_DOMAIN_URL__CUSTOMERS": "postgresql://u@127.0.0.1:1/x"}, "`mcp-suite doctor customers` says why"),
    ],
)
async def test_settings_that_cannot_be_meant_keep_it_from_starting(
    databases: Databases, tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    env = Local(await databases.fresh(), tmp_path).env | variables
    done = await anyio.run_process([str(COMMAND), "serve", "customers"], env=os.environ | env, check=False)
    shown = done.stderr.decode()
    assert done.returncode == 1
    assert said in shown
    assert "Traceback" not in shown


def test_a_server_over_views_does_nothing_in_the_background() -> None:
    assert server.work
    assert (server.over_views().work, server.over_views().workers) == ({}, ())


def test_the_contract_covers_what_the_tools_read() -> None:
    for table in (customers, orders, order_lines):
        contract = views.tables[table.name].columns
        assert contract.keys() <= {column.name for column in table.columns}
    # What the contract leaves out reads as NULL, which an answer must be able to hold.
    required = {name for name, field in models.Customer.model_fields.items() if field.is_required()}
    assert required <= views.tables["customers"].columns.keys()


def test_patterns_are_those_the_arguments_demand() -> None:
    arguments = tools.tools["get_customer"].input_schema["properties"]["customer_id"]
    assert views.tables["customers"].columns["id"].pattern == arguments["pattern"]
    order = tools.tools["get_order"].input_schema["properties"]["order_id"]
    assert views.tables["orders"].columns["id"].pattern == order["pattern"]
    created = tools.tools["create_customer"].input_schema["properties"]
    for name in ("country", "locale"):
        assert views.tables["customers"].columns[name].pattern == created[name]["pattern"]


def test_a_server_without_views_refuses_a_database_of_its_own() -> None:
    with pytest.raises(Misconfigured, match="SUITE_DOMAIN_URL__CUSTOMERS"):
        replace(server, views=None).over_views()
