"""`mcp-suite doctor`: every mistake a company can make in its views is named, with what mends it."""

import os
import re
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

import servers
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.doctor import Finding, examine_server, show
from shared.ops.plans import Walk, walks
from shared.state.embedded import EmbeddedPostgres
from shared.state.foreign import open_domain
from shared.state.roles import Passwords, ensure_roles
from tests.data.chinook import PASSWORDS, READER, Shop, shops_of, sql
from tests.harness import Databases
from tests.processes import COMMAND

pytestmark = pytest.mark.anyio

SERVER = servers.load("customers")
MANY = (
    """INSERT INTO "Customer" SELECT 100 + n, 'Ann', 'Nr ' || n, '', '', 'Ulm', '', 'Germany', '', '', '', '', 3
       FROM generate_series(1, 12000) n""",
    """INSERT INTO "InvoiceLine" SELECT 10000 + n, 1 + n % 400, 1, 1, 1 FROM generate_series(1, 12000) n""",
    'ANALYZE "Customer"',
    'ANALYZE "InvoiceLine"',
)
Examine = Callable[..., Awaitable[list[Finding]]]


@pytest.fixture
async def shop(postgres: EmbeddedPostgres) -> Shop:
    return await shops_of(postgres.admin_url).fresh()


def settings_of(url: str, pinned: str | None = "acme", **changes: Any) -> Settings:
    pins = {} if pinned is None else {"customers": pinned}
    values: dict[str, Any] = {"domain_url": {"customers": url}, **changes}
    return Settings(domain_tenant=pins, **values)


async def examine(shop: Shop, pinned: str | None = "acme", tenant: str | None = None, **changes: Any) -> list[Finding]:
    return await examine_server(settings_of(shop.url(), pinned, **changes), SERVER, tenant)


async def problem(shop: Shop, pinned: str | None = "acme", **changes: Any) -> Finding:
    """The one problem there is."""
    [found] = [finding for finding in await examine(shop, pinned, **changes) if finding.level == "problem"]
    return found


async def rewrite(shop: Shop, *changes: tuple[str, str]) -> None:
    """The views of the documentation again, with something else in them."""
    written = sql("views")
    for old, new in changes:
        assert old in written
        written = written.replace(old, new)
    await shop.run("DROP SCHEMA mcp CASCADE", written, sql("grants"))


async def refuses_to_start(shop: Shop, pinned: str | None = "acme") -> bool:
    assert SERVER.views is not None
    settings = settings_of(shop.url(), pinned, pool_min=1)
    try:
        async with open_domain("customers", shop.url(), SERVER.views, settings):
            return False
    except Misconfigured as refused:
        return "mcp-suite doctor customers" in str(refused)


def levels(findings: list[Finding]) -> set[str]:
    return {finding.level for finding in findings}


async def test_views_as_documented_have_no_problem(shop: Shop) -> None:
    findings = await examine(shop)
    assert levels(findings) == {"ok"}
    texts = "\n".join(finding.text for finding in findings)
    for said in ("mcp_reader reads and cannot write", "59 rows", "412 rows", "2240 rows", "search_customers takes"):
        assert said in texts
    assert not await refuses_to_start(shop)


async def test_two_tenants_as_documented_have_no_problem(shop: Shop) -> None:
    await shop.run(sql("tenants"))
    assert levels(await examine(shop, pinned=None)) == {"ok"}


async def test_a_database_that_is_not_there_is_one_problem_with_the_reason(shop: Shop) -> None:
    [found] = await examine(Shop(shop.admin_url, "no_such_shop"))
    assert found.level == "problem"
    assert 'database "no_such_shop" does not exist' in found.text
    assert "SUITE_DOMAIN_URL__CUSTOMERS" in found.fix
    assert PASSWORDS[READER] not in found.text + found.fix


async def test_a_superuser_is_refused(shop: Shop) -> None:
    url = re.sub(r"/[^/]*$", f"/{shop.name}", shop.admin_url)
    findings = await examine_server(settings_of(url), SERVER)
    [found] = [finding for finding in findings if finding.level == "problem"]
    assert "is a superuser" in found.text
    assert "CREATE ROLE" in found.fix


async def test_a_role_beyond_row_level_security_is_refused(shop: Shop) -> None:
    name = f"peeping_{uuid4().hex[:8]}"
    await shop.run(f"CREATE ROLE {name} LOGIN BYPASSRLS PASSWORD 'x'", role=None)
    found = await examine_server(settings_of(shop.url().replace(f"{READER}:{PASSWORDS[READER]}", f"{name}:x")), SERVER)
    assert any("BYPASSRLS" in finding.text for finding in found if finding.level == "problem")


async def test_the_owner_is_refused(shop: Shop) -> None:
    findings = await examine_server(settings_of(shop.url("crm_owner")), SERVER)
    [found] = [finding for finding in findings if finding.level == "problem"]
    assert "owns" in found.text
    assert 'public."Customer"' in found.text or 'public."Album"' in found.text


@pytest.mark.parametrize("right", ["INSERT", "UPDATE", "DELETE", "TRUNCATE", 'UPDATE ("Email")'])
async def test_a_role_that_may_write_is_refused_until_the_right_is_taken_away(shop: Shop, right: str) -> None:
    await shop.run(f'GRANT {right} ON "Customer" TO mcp_reader')
    assert await refuses_to_start(shop)
    found = await problem(shop)
    assert found.text == 'role mcp_reader can write to public."Customer"'
    await shop.run(found.fix)
    assert levels(await examine(shop)) == {"ok"}


async def test_a_role_that_may_become_one_that_writes_is_refused(shop: Shop) -> None:
    writer = f"writer_{uuid4().hex[:8]}"
    await shop.run(
        f"CREATE ROLE {writer}",
        f"GRANT {writer} TO mcp_reader",
        "ALTER ROLE mcp_reader NOINHERIT",
        f'GRANT DELETE ON "Customer" TO {writer}',
        role=None,
    )
    found = await problem(shop)
    refused = await refuses_to_start(shop)
    await shop.run("ALTER ROLE mcp_reader INHERIT", f"REVOKE {writer} FROM mcp_reader", role=None)
    assert refused
    assert found.text == 'role mcp_reader can write to public."Customer"'
    assert found.fix.startswith(f"REVOKE {writer} FROM mcp_reader;\n")
    assert levels(await examine(shop)) == {"ok"}


async def test_a_missing_view_is_named(shop: Shop) -> None:
    await shop.run("DROP VIEW mcp.orders")
    assert await refuses_to_start(shop)
    found = await problem(shop)
    assert found.text == "there is no view mcp.orders"
    assert "CREATE VIEW mcp.orders WITH (security_invoker = true)" in found.fix
    assert "customer_id" in found.fix


async def test_a_missing_schema_is_three_missing_views(shop: Shop) -> None:
    await shop.run("DROP SCHEMA mcp CASCADE")
    findings = await examine(shop)
    assert [finding.text.rpartition(" ")[2] for finding in findings if finding.level == "problem"] == [
        "mcp.customers",
        "mcp.orders",
        "mcp.order_lines",
    ]


async def test_a_missing_column_is_named(shop: Shop) -> None:
    await rewrite(shop, ("'active'                                 AS status,", ""))
    assert await refuses_to_start(shop)
    found = await problem(shop)
    assert found.text == "mcp.customers lacks the column status"
    assert "::text AS status" in found.fix


async def test_a_column_that_may_be_null_may_be_missing(shop: Shop) -> None:
    await rewrite(shop, ("nullif(\"Phone\", '')                      AS phone,", ""))
    assert levels(await examine(shop)) == {"ok"}


async def test_a_column_of_the_wrong_type_is_named_with_the_cast(shop: Shop) -> None:
    await rewrite(shop, ('"Total"                                  AS total', '"Total"::float AS total'))
    assert await refuses_to_start(shop)
    found = await problem(shop)
    assert found.text == "mcp.orders.total is double precision, not numeric"
    assert "::numeric AS total" in found.fix


async def test_a_time_without_a_zone_is_named_with_its_cure(shop: Shop) -> None:
    await rewrite(shop, ("\"InvoiceDate\" AT TIME ZONE 'UTC'         AS", '"InvoiceDate" AS'))
    found = await problem(shop)
    assert found.text == "mcp.orders.ordered_at is timestamp without time zone, not timestamptz"
    assert "AT TIME ZONE 'UTC' AS ordered_at" in found.fix


async def test_a_view_with_its_owners_rights_is_refused_until_it_has_the_callers(shop: Shop) -> None:
    await shop.run("ALTER VIEW mcp.orders RESET (security_invoker)")
    assert await refuses_to_start(shop)
    found = await problem(shop)
    assert "mcp.orders reads with its owner's rights" in found.text
    await shop.run(found.fix)
    assert levels(await examine(shop)) == {"ok"}


async def test_owners_rights_further_down_are_found_where_they_pass_row_level_security(shop: Shop) -> None:
    await shop.run(
        'CREATE VIEW public.people AS SELECT * FROM "Customer"',
        "GRANT SELECT ON public.people TO mcp_reader",
    )
    await rewrite(shop, ('FROM public."Customer";', "FROM public.people;"))
    assert levels(await examine(shop)) == {"ok"}
    await shop.run('ALTER TABLE "Customer" ENABLE ROW LEVEL SECURITY')
    found = await problem(shop)
    assert 'mcp.customers reads public."Customer" through public.people' in found.text
    await shop.run(found.fix.partition(";")[0])
    await shop.run('CREATE POLICY everybody ON "Customer" USING (true)')
    assert levels(await examine(shop)) == {"ok"}


async def test_a_materialized_view_is_a_warning_with_what_is_right(shop: Shop) -> None:
    written = sql("views").replace(
        "CREATE VIEW mcp.customers WITH (security_invoker = true)", "CREATE MATERIALIZED VIEW mcp.customers"
    )
    await shop.run("DROP SCHEMA mcp CASCADE", written, sql("grants"))
    [found] = [finding for finding in await examine(shop) if finding.level == "warning"]
    assert "mcp.customers is materialized" in found.text
    assert "one pinned tenant" in found.fix
    assert not await refuses_to_start(shop)


async def test_rows_that_are_nobodys_are_refused(shop: Shop) -> None:
    assert await refuses_to_start(shop, pinned=None)
    found = [finding for finding in await examine(shop, pinned=None) if finding.level == "problem"]
    assert len(found) == 3
    assert "no tenant is pinned" in found[0].text
    assert "AS tenant_id" in found[0].fix
    assert "SUITE_DOMAIN_TENANT__CUSTOMERS" in found[0].fix


async def test_a_tenant_pinned_and_in_the_rows_is_said_to_be_both(shop: Shop) -> None:
    await shop.run(sql("tenants"))
    notes = [finding.text for finding in await examine(shop) if finding.level == "note"]
    assert len(notes) == 3
    assert "both must fit" in notes[0]


async def test_a_table_the_role_may_not_read_is_named_with_its_grant(shop: Shop) -> None:
    await shop.run('REVOKE SELECT ON "Track" FROM mcp_reader')
    assert await refuses_to_start(shop)
    found = await problem(shop)
    assert "may not read mcp.order_lines (permission denied for table Track)" in found.text
    await shop.run(found.fix)
    assert levels(await examine(shop)) == {"ok"}


async def test_a_schema_the_role_may_not_use_is_named_with_its_grant(shop: Shop) -> None:
    await shop.run("REVOKE USAGE ON SCHEMA mcp FROM mcp_reader")
    found = [finding for finding in await examine(shop) if finding.level == "problem"]
    await shop.run(*(finding.fix for finding in found))
    assert levels(await examine(shop)) == {"ok"}


ID = "'C-' || lpad(\"CustomerId\"::text, 8, '0') AS id"
STATUS = "status is none of prospect, active, inactive, archived in 59 of 59 rows, e.g. 'Active'"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("'active'  ", "'Active'", STATUS),
        (ID, '"CustomerId"::text AS id', "mcp.customers.id does not match ^C-"),
        ("WHEN 'France' THEN 'FR'", "", "country is NULL in 5 of 59 rows, e.g. 'C-00000039'"),
        ("THEN 'FR'", "THEN 'France'", "country does not match ^[A-Z]{2}$ in 5 of 59 rows, e.g. 'France'"),
        ("ARRAY['rep-' || \"SupportRepId\"]", "ARRAY['a', NULL]", "mcp.customers.tags holds NULL in 59 of 59 rows"),
        ("'USD'", "'$'  ", "mcp.orders.currency does not match"),
    ],
    ids=["status", "id", "null", "country", "tags", "currency"],
)
async def test_values_outside_the_contract_are_named(shop: Shop, old: str, new: str, said: str) -> None:
    await rewrite(shop, (old, new))
    found = [finding for finding in await examine(shop) if finding.level == "problem"]
    assert said in found[0].text
    assert found[0].fix
    assert not await refuses_to_start(shop), "rows are for doctor to look at, not for every start"


async def test_ids_that_collide_are_named(shop: Shop) -> None:
    await shop.run("""UPDATE "Customer" SET "CustomerId" = "CustomerId" * 1000000 WHERE "CustomerId" IN (1, 2)""")
    await rewrite(shop, ("lpad(\"CustomerId\"::text, 8, '0')", "lpad(\"CustomerId\"::text, 6, '0')"))
    await shop.run(
        'INSERT INTO "Customer" SELECT 1000001' + "".join(f', "{c}"' for c in COLUMNS) + ' FROM "Customer" LIMIT 1'
    )
    found = [finding for finding in await examine(shop) if finding.level == "problem"]
    assert "mcp.customers has several rows with the same id, e.g. 'C-100000'" in [finding.text for finding in found]


COLUMNS = (
    "FirstName", "LastName", "Company", "Address", "City", "State", "Country", "PostalCode", "Phone", "Fax", "Email",
    "SupportRepId",
)  # fmt: skip


async def test_orders_that_name_no_customer_at_all_are_a_problem(shop: Shop) -> None:
    await rewrite(
        shop, ("lpad(\"CustomerId\"::text, 8, '0') AS customer_id", "lpad(\"CustomerId\"::text, 6, '0') AS customer_id")
    )
    found = await problem(shop)
    assert found.text == "mcp.orders.customer_id names no row of customers in 412 of 412 rows"
    assert "very expression" in found.fix


async def test_some_orders_of_unknown_customers_are_a_warning(shop: Shop) -> None:
    await shop.run('DELETE FROM "Customer" WHERE "CustomerId" = 1')
    findings = await examine(shop)
    [found] = [finding for finding in findings if finding.level == "warning"]
    assert found.text == "mcp.orders.customer_id names no row of customers in 7 of 412 rows"


async def test_lines_that_are_not_numbered_within_their_order_are_named(shop: Shop) -> None:
    await rewrite(shop, ("PARTITION BY 'O-' || lpad(\"InvoiceId\"::text, 8, '0') ", ""))
    found = await problem(shop)
    assert "mcp.order_lines.line does not count 1, 2, 3 … within order_id, e.g. 'O-" in found.text
    assert "PARTITION BY" in found.fix


async def test_rows_hidden_by_the_companys_own_security_are_looked_at_as_a_tenant(shop: Shop) -> None:
    await shop.run(sql("tenants"))
    await shop.run(
        "ALTER TABLE shop.branches ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON shop.branches USING (tenant_id = current_setting('app.tenant', true))",
    )
    nobody = [finding for finding in await examine(shop, pinned=None) if finding.level == "warning"]
    assert "mcp.customers shows no rows to no tenant" in nobody[0].text
    assert "--tenant" in nobody[0].fix
    assert levels(await examine(shop, pinned=None, tenant="globex")) == {"ok"}


async def test_a_missing_index_is_named_until_it_is_made(shop: Shop) -> None:
    await shop.run(*MANY)
    findings = {finding.text.split()[0]: finding for finding in await examine(shop)}
    point = findings["get_customer"]
    assert point.level == "warning"
    assert 'reads all of public."Customer" (12,059 rows)' in point.text
    for statement in (*point.fix.splitlines(), *findings["list_customer_orders"].fix.splitlines()):
        assert statement.startswith("CREATE INDEX CONCURRENTLY ON public.")
        await shop.run(statement)
    await shop.run("ANALYZE")
    again = {finding.text.split()[0]: finding.level for finding in await examine(shop)}
    assert (again["get_customer"], again["list_customer_orders"]) == ("ok", "ok")


async def test_a_slow_view_is_given_up_on_and_said(shop: Shop) -> None:
    await rewrite(
        shop,
        ('"FirstName" || \' \' || "LastName" ', '"FirstName" || (SELECT \'\' FROM pg_sleep(0.05 + "CustomerId" * 0)) '),
    )
    findings = await examine(shop, statement_timeout_s=0.5)
    assert any("mcp.customers: a check took longer" in finding.text for finding in findings)


async def test_more_replicas_than_connections_are_a_problem(shop: Shop) -> None:
    found = await problem(shop, replicas=900, redis_url="redis://127.0.0.1")
    assert "900 × 20 = 18000; PostgreSQL allows" in found.text
    assert "SUITE_POOL_MAX" in found.fix


DEPARSED = "'C-'::text || lpad(({}\"Id\")::text, 8, '0'::text)"


def plan(condition: str, alias: str = "t") -> list[Walk]:
    node = {"Node Type": "Seq Scan", "Schema": "s", "Relation Name": "r", "Alias": alias, "Filter": condition}
    return list(walks({"Node Type": "Limit", "Plans": [node]}))


@pytest.mark.parametrize(
    ("condition", "compared"),
    [
        ("(t.id = 'x'::text)", ("id",)),
        ("((t.a = 1) AND (t.b = other.b))", ("a", "b")),
        ("((t.a = 1) AND ((t.b > 2) OR (t.c = 3)))", ("a",)),
        (f"(({DEPARSED.format('t.')}) = 'a AND (b'::text)", (DEPARSED.format(""),)),
        ("(t.name ~~* '%a = b%'::text)", ()),
        ("(t.a = t.b)", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_what_an_index_could_be_on_is_read_from_the_plan(condition: str, compared: tuple[str, ...]) -> None:
    [walk] = plan(condition)
    assert walk.compared == compared


def command(*words: str, **environment: str) -> tuple[int, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_"))}
    done = subprocess.run(
        [COMMAND, *words], env=kept | environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


async def test_the_command_ends_with_1_if_there_is_a_problem(shop: Shop, tmp_path: Path) -> None:
    environment = {
        "SUITE_DATA_DIR": str(tmp_path),
        "SUITE_DOMAIN_URL__CUSTOMERS": shop.url(),
        "SUITE_DOMAIN_TENANT__CUSTOMERS": "acme",
    }
    good, said = await anyio.to_thread.run_sync(lambda: command("doctor", "customers", **environment))
    await shop.run("ALTER VIEW mcp.orders RESET (security_invoker)")
    bad, complained = await anyio.to_thread.run_sync(lambda: command("doctor", "customers", **environment))
    assert (good, said.splitlines()[-1]) == (0, "0 problems, 0 warnings")
    assert (bad, complained.splitlines()[-1]) == (1, "1 problem, 0 warnings")
    assert "\n         ALTER VIEW mcp.orders SET (security_invoker = true);\n" in complained


async def test_our_own_tables_are_looked_at_where_no_other_database_is_named(
    databases: Databases, tmp_path: Path
) -> None:
    urls = await databases.fresh()
    environment = {"SUITE_DATA_DIR": str(tmp_path), "DATABASE_URL": urls.app, "SUITE_DATABASE_OWNER_URL": urls.owner}
    code, said = await anyio.to_thread.run_sync(lambda: command("doctor", "customers", **environment))
    assert code == 0, said
    assert "schema customers is at its newest revision" in said
    assert "role suite_app is bound by row-level security" in said
    as_owner = {**environment, "DATABASE_URL": urls.owner}
    code, said = await anyio.to_thread.run_sync(lambda: command("doctor", "customers", **as_owner))
    assert code == 1
    assert "role suite_owner owns tables" in said


async def test_our_own_tables_without_their_guard_or_their_revision_are_a_problem(
    databases: Databases, postgres: EmbeddedPostgres, role_passwords: Passwords
) -> None:
    urls = await databases.fresh()
    await Shop(postgres.admin_url, urls.app.rpartition("/")[2]).run(
        "ALTER TABLE customers.orders NO FORCE ROW LEVEL SECURITY", role=None
    )
    unguarded = await examine_server(settings_own(urls.app, urls.owner), SERVER)
    empty = await ensure_roles(postgres.admin_url, role_passwords, f"empty_{uuid4().hex[:12]}")
    unmigrated = await examine_server(settings_own(empty.app, empty.owner), SERVER)
    assert [finding.text for finding in unguarded if finding.level == "problem"] == [
        "customers.orders has no forced row-level security"
    ]
    missing = [finding for finding in unmigrated if finding.level == "problem"]
    assert ["schema suite" in missing[0].text, missing[0].fix] == [True, "mcp-suite db migrate"]


def settings_own(app_url: str, owner_url: str) -> Settings:
    given: dict[str, Any] = {"database_url": app_url, "database_owner_url": owner_url}
    return Settings(**given)


def test_findings_are_shown_one_a_line_with_what_mends_them_below() -> None:
    lines: list[str] = []
    good = show([Finding("ok", "fine"), Finding("problem", "bad", "do this\nand that")], lines.append)
    assert not good
    assert lines == [
        "ok       fine",
        "problem  bad",
        "         do this",
        "         and that",
        "1 problem, 0 warnings",
    ]
