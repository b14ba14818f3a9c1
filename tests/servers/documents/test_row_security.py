"""What the application's role can do in the database by itself, should a statement of ours be wrong."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from shared.state.database import SET_CALLER, as_array, connect
from tests.harness import Suite
from tests.servers.documents.desk import Desk, some_collection

pytestmark = pytest.mark.anyio

TABLES = ("documents", "versions", "sections", "links")
ALL = as_array([*(f"class:{each}" for each in ("public", "internal", "confidential", "restricted")), "tenant"])
SEARCH = "SELECT count(*) FROM documents.search('key', '!nothing', '-infinity', 'infinity', 500)"
FOUND = f"{SEARCH} WHERE document_id = $1"
COUNT = "SELECT count(*) FROM documents.documents WHERE id = $1"
CHILDREN = "SELECT count(*) FROM documents.children('handbook', '', '', '', 500)"


@pytest.fixture(scope="module", autouse=True)
async def of_globex(suite: Suite) -> str:
    """A document of another tenant."""
    return (await Desk(suite, "outsider").put(f"doc://{some_collection()}/a.md", "# Keys of Globex\n"))["id"]


@pytest.fixture
async def app(suite: Suite) -> AsyncGenerator[Any]:
    connection = await connect(suite.urls.app, "test")
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def seen(app: Any) -> dict[str, int]:
    found = {table: await app.fetchval(f"SELECT count(*) FROM documents.{table}") for table in TABLES}
    return found | {"search": await app.fetchval(SEARCH), "children": await app.fetchval(CHILDREN)}


async def test_without_tenant_or_rights_there_is_nothing(app: Any) -> None:
    nothing = dict.fromkeys((*TABLES, "search", "children"), 0)
    assert await seen(app) == nothing
    for tenant, rights in (("acme", ""), ("acme", "{}"), ("", ALL), ("acme", "{tenant}"), ("acme", "{class:internal}")):
        await app.execute(SET_CALLER, tenant, rights)
        assert await seen(app) == nothing, (tenant, rights)
    await app.execute(SET_CALLER, "acme", ALL)
    assert min((await seen(app)).values()) > 0


async def test_each_tenant_has_its_own(app: Any, of_globex: str) -> None:
    for tenant, there in (("globex", True), ("acme", False)):
        await app.execute(SET_CALLER, tenant, ALL)
        assert (await app.fetchval(COUNT, of_globex) == 1) is there
        assert (await app.fetchval(FOUND, of_globex) == 1) is there


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM documents.documents",
        "DELETE FROM documents.versions",
        "UPDATE documents.versions SET classification = 'public'",
        "UPDATE documents.sections SET plain = ''",
        "TRUNCATE documents.documents CASCADE",
        "SET ROLE suite_search",
        "SET ROLE suite_owner",
        "ALTER TABLE documents.documents DISABLE ROW LEVEL SECURITY",
        "DROP POLICY readers ON documents.documents",
        "CREATE FUNCTION documents.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
async def test_what_it_must_not_do_it_cannot(app: Any, statement: str) -> None:
    await app.execute(SET_CALLER, "acme", ALL)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE documents.documents SET tenant_id = 'globex'",
        "UPDATE documents.documents SET classification = 'restricted', readers = '{role:nobody}'",
        "UPDATE documents.documents SET readers = '{role:nobody}'",
        "INSERT INTO documents.links VALUES ('globex', 'D', 1, '', '')",
    ],
)
async def test_a_row_cannot_be_written_out_of_sight(app: Any, statement: str) -> None:
    await app.execute(SET_CALLER, "acme", ALL)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await app.execute(statement)


async def test_a_version_takes_its_readers_from_its_document_whatever_is_said(app: Any) -> None:
    await app.execute(SET_CALLER, "acme", as_array(["class:internal", "class:public", "tenant", "role:manager"]))
    narrow = "UPDATE documents.documents SET readers = '{role:manager}' WHERE id = $1"
    another = """
        INSERT INTO documents.versions
        SELECT (jsonb_populate_record(v, '{"version": 99, "readers": ["tenant"]}')).* FROM documents.versions AS v
        WHERE document_id = $1 RETURNING readers
    """
    one = await app.fetchval("SELECT document_id FROM documents.versions LIMIT 1")
    await app.execute(narrow, one)
    assert await app.fetchval(another, one) == ["role:manager"]


async def test_what_runs_with_more_rights_is_known_pinned_and_for_the_application_alone(suite: Suite) -> None:
    rows = await suite.sql(
        "SELECT proname, proconfig, rolname, rolcanlogin, rolsuper, rolbypassrls "
        "FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = proowner "
        "WHERE pronamespace = 'documents'::regnamespace AND prosecdef"
    )
    assert {row["proname"] for row in rows} == {"search", "every_reader"}
    for row in rows:
        assert "search_path=pg_catalog, pg_temp" in row["proconfig"]
        assert row["rolname"] == "suite_search"
        assert {row["rolcanlogin"], row["rolsuper"], row["rolbypassrls"]} == {False}
    others = await suite.sql(
        "SELECT proname, rolname FROM pg_proc AS p, pg_roles WHERE pronamespace = 'documents'::regnamespace "
        "AND rolname IN ('suite_reader', 'suite_operator') AND has_function_privilege(rolname, p.oid, 'EXECUTE')"
    )
    assert others == []
    assert await suite.sql("SELECT has_schema_privilege('suite_search', 'documents', 'CREATE')") == [(False,)]


async def test_the_names_of_readers_are_told_of_ones_own_tenant_alone(app: Any) -> None:
    """Nobody's call asks for them; what keeps a collection in step with a folder does."""
    asked = "SELECT count(*) FROM documents.every_reader('handbook')"
    await app.execute(SET_CALLER, "nobody", ALL)
    assert await app.fetchval(asked) == 0
    await app.execute(SET_CALLER, "acme", ALL)
    assert await app.fetchval(asked) > 0
