"""The plans PostgreSQL makes for the documents server's own statements, under row-level security.

What the search function asks is taken from the database, where it is; it is explained as the role that owns it.
"""

import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from servers.documents.finding import RANKED_MAX
from servers.documents.index_words import required
from servers.documents.rights import rights
from servers.documents.search_words import wanted
from servers.documents.server import server
from shared.core.caller import Caller
from shared.core.settings import Settings
from shared.core.tool import Call
from shared.state.cursors import SealedCursors
from shared.state.database import SET_CALLER, Database, as_array, connect, open_database
from shared.state.embedded import EmbeddedPostgres
from shared.state.keys import KeyRing
from shared.state.migrate import upgrade
from shared.state.roles import Passwords, Urls, ensure_roles
from tests.plans import Explaining, blocks, literal, nodes, removed, sequential
from tests.servers.documents.shelves import EACH_PHRASE, EACH_RARE, EACH_TITLED, fill

pytestmark = pytest.mark.anyio

DATABASE = "suite_documents_plan"
DOCUMENTS = 30_000
SHARES = {"acme": 48, "globex": 48, "initech": 1}
"""Of 97, a prime: which words a document has does not follow from whose it is."""
READ_MAX = 3 * RANKED_MAX
"""Rows that are read and not shown: those that are ranked, and what the index was not sure of."""
TABLES = {"documents", "versions", "sections", "links"}

READER = {"collection": "guide", "path": "area-0/part-0/page-"}
SEARCHES = {
    "rare": {"query": "rare"},
    "common": {"query": "common"},
    "two": {"query": "half tenth4"},
    "three": {"query": "half third1 fiftieth4"},
    "phrase": {"query": '"left right"'},
    "prefix": {"query": "hundred*"},
    "either": {"query": "hundredth7 OR hundredth8"},
    "absent": {"query": "tenth3 -third0"},
    "question": {"query": "how is the half of tenth4 and third0 where nothingness is rare"},
    "nothing": {"query": "nothingness"},
    "titled": {"query": "titled"},
    "page": {"query": "page"},
    "collection": {"query": "common", "collection": "archive"},
    "since": {"query": "common", "updated_after": "2026-01-01T05:00:00Z"},
}


def caller(tenant: str = "acme", scopes: str = "documents:restricted", *roles: str) -> Caller:
    return Caller("somebody", "https://idp.example", "client", tenant, Caller.granted(scopes), frozenset(roles))


CALLERS = {caller(): "all", caller("acme", "documents:read", "a"): "little", caller("initech"): "small tenant"}


@pytest.fixture(scope="module")
async def urls(postgres: EmbeddedPostgres, role_passwords: Passwords) -> AsyncGenerator[Urls]:
    urls = await ensure_roles(postgres.admin_url, role_passwords, DATABASE)
    assert server.migrations is not None
    await upgrade(urls.owner, server.name, server.migrations)
    filling = await connect(_in_database(postgres), "test")
    try:
        await fill(filling, SHARES, DOCUMENTS)
    finally:
        await filling.close()
    yield urls
    dropping = await connect(postgres.admin_url, "test")
    try:
        await dropping.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    finally:
        await dropping.close()


def _in_database(postgres: EmbeddedPostgres) -> str:
    return urlsplit(postgres.admin_url)._replace(path=f"/{DATABASE}").geturl()


@pytest.fixture
async def admin(urls: Urls, postgres: EmbeddedPostgres) -> AsyncGenerator[Any]:
    """A superuser in a transaction that is rolled back."""
    connection = await connect(_in_database(postgres), "test")
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


@pytest.fixture(scope="module")
async def database(urls: Urls, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Database]:
    settings = Settings(data_dir=Path(tmp_path_factory.mktemp("data")), pool_min=1, pool_max=2)
    async with open_database(urls.app, settings) as database:
        yield database


@pytest.fixture(params=["force_custom_plan", "force_generic_plan"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


async def ask(database: Database, mode: str, who: Caller, name: str, **arguments: Any) -> tuple[Any, Explaining]:
    """The answer of a tool, and how its statements were planned."""
    tools = server.tools
    found = {resource.tool.name: resource.tool for resource in tools.resources.values()} | dict(tools.tools)
    tool = found.get(name) or tools.completions.get(name) or tools.lists
    assert tool is not None
    explaining = Explaining(database, who.tenant, mode, "documents", rights(who))
    call = Call(who, explaining, SealedCursors(KeyRing([b"k" * 32]), who, name), "request")
    return await tool.run(call, tool.parse(arguments)), explaining


def assert_indexed(explaining: Explaining) -> None:
    assert explaining.plans
    assert not TABLES & explaining.scans.keys()
    for plan in explaining.plans:
        assert sequential(plan) == []
        assert removed(plan) < READ_MAX


async def test_there_are_thousands_of_documents_of_each_kind(database: Database) -> None:
    for who, least in ((caller(), 10_000), (caller("globex"), 10_000), (caller("initech"), 300)):
        async with database.transaction(who.tenant, rights(who)) as transaction:
            count = await transaction.connection.fetchval("SELECT count(*) FROM documents.documents")
        assert least <= count < 2 * least
    assert DOCUMENTS > 2 * EACH_RARE > EACH_PHRASE > EACH_TITLED


@pytest.mark.parametrize("who", CALLERS, ids=CALLERS.get)
@pytest.mark.parametrize("kind", SEARCHES)
async def test_a_search_scans_its_indexes_and_no_table(database: Database, mode: str, kind: str, who: Caller) -> None:
    found, explaining = await ask(database, mode, who, "search_documents", **SEARCHES[kind])
    assert_indexed(explaining)
    assert explaining.scans["by_title"] >= 1
    assert explaining.scans["by_words"] >= (kind != "page")  # enough have it in their title
    assert found.found or kind == "nothing" or who.tenant == "initech"
    if found.next_cursor:
        _, explaining = await ask(database, mode, who, "search_documents", **SEARCHES[kind], cursor=found.next_cursor)
        assert_indexed(explaining)


async def explained(admin: Any, who: Caller, query: str) -> list[dict[str, Any]]:
    """The plans of what the search function asks of titles and of words, with its own values and settings."""
    [way, *_] = wanted(query).ways
    source, settings = await admin.fetchrow(
        "SELECT prosrc, proconfig FROM pg_proc WHERE oid = 'documents.search'::regproc"
    )
    titled, worded, _ = re.findall(r"\$sql\$(.*?)\$sql\$", source, re.DOTALL)
    together = await admin.fetchval("SELECT documents.pairs_of($1)", way["phrases"])
    if not together:
        [without] = set(re.findall(r"THEN '(.*?)'", source))
        assert without in titled
        assert without in worded
        titled, worded = titled.replace(without, ""), worded.replace(without, "")
    asked = await admin.fetchval("SELECT to_tsquery('documents.words', $1)::text", way["wanted"])
    given = [
        f"({literal(asked)}::tsquery && {literal(required(who))}::tsquery)",
        *(literal(as_array(list(map(str, together)))), literal(who.tenant), literal(as_array(rights(who)))),
        *("'-infinity'", "'infinity'", str(RANKED_MAX), "false" if "!" in asked else "true"),
    ]
    for setting in settings:
        name, _, value = setting.partition("=")
        await admin.execute("SELECT set_config($1, $2, true)", name, value)
    await admin.execute("SET LOCAL ROLE suite_search; SET LOCAL plan_cache_mode = force_custom_plan")
    plans = [await _explained(admin, statement, given) for statement in (titled, worded)]
    await admin.execute("RESET ROLE")
    return plans


async def _explained(admin: Any, statement: str, given: list[str]) -> dict[str, Any]:
    types = "tsquery, integer[], text, text[], timestamptz, timestamptz, integer, boolean"
    await admin.execute(f"PREPARE asked ({types}) AS {statement}")
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked ({', '.join(given)})"
    [plan] = orjson.loads(await admin.fetchval(explain))
    await admin.execute("DEALLOCATE asked")
    return plan["Plan"]


def scanned(plan: dict[str, Any]) -> set[str]:
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


def assert_searched(plans: list[dict[str, Any]]) -> None:
    titled, worded = plans
    assert sequential(titled) == sequential(worded) == []
    assert {"by_title"} <= scanned(titled) <= {"by_title", "by_words"}
    assert scanned(worded) == {"by_words"}
    assert sum(map(removed, plans)) < READ_MAX


@pytest.mark.parametrize("query", ["rare", "common", "half tenth4", '"left right"', "hundred*", "tenth3 -third0"])
@pytest.mark.parametrize("tenant", ["acme", "initech"])
async def test_inside_of_the_search_function_the_indexes_of_words_are_used_and_nothing_else(
    admin: Any, query: str, tenant: str
) -> None:
    assert_searched(await explained(admin, caller(tenant), query))


POINTS: dict[str, dict[str, Any]] = {
    "read_section": {"section": "rest"},
    "get_document_outline": {},
    "find_related": {},
    "compare_versions": {"from_version": 1, "to_version": 1},
}


@pytest.fixture(scope="module")
async def uri(database: Database) -> str:
    """A document that the callers here may read."""
    who = caller()
    async with database.transaction(who.tenant, rights(who)) as transaction:
        where = "collection = 'guide' AND classification = 'internal'"
        return await transaction.connection.fetchval(
            f"SELECT 'doc://guide/' || path FROM documents.documents WHERE {where} ORDER BY id OFFSET 100 LIMIT 1"
        )


@pytest.mark.parametrize("name", POINTS)
async def test_a_document_is_read_through_its_indexes(database: Database, mode: str, uri: str, name: str) -> None:
    answer, explaining = await ask(database, mode, caller(), name, uri=uri, **POINTS[name])
    assert answer
    assert_indexed(explaining)
    if name != "find_related":  # which searches
        assert all(removed(plan) < 10 for plan in explaining.plans)
        assert all(blocks(plan) < 100 for plan in explaining.plans)


@pytest.mark.parametrize("part", [{}, {"section": "rest"}, {"version": "1"}, {"version": "1", "section": "rest"}])
async def test_a_resource_is_read_through_its_indexes(
    database: Database, mode: str, uri: str, part: dict[str, str]
) -> None:
    path = uri.removeprefix("doc://guide/")
    contents, explaining = await ask(database, mode, caller(), "read_document", collection="guide", path=path, **part)
    assert contents.text
    assert_indexed(explaining)
    assert all(blocks(plan) < 100 for plan in explaining.plans)


async def test_backlinks_are_found_through_their_index(database: Database, mode: str, uri: str) -> None:
    _, explaining = await ask(database, mode, caller(), "find_related", uri=uri)
    assert explaining.scans["backlinks"] == 1
    assert explaining.scans["by_stem"] >= 1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("list_collection", {"collection": "guide"}),
        ("list_collection", {"collection": "guide", "folder": "area-3/"}),
        ("list_collection", {"collection": "guide", "folder": "area-3/part-3/", "limit": 5}),
        ("read_collection", {"collection": "guide"}),
        ("read_folder", {"collection": "guide", "folder": "area-3"}),
        ("path", {"value": "area-1", "context": {"collection": "guide"}}),
        ("path", {"value": "area-3/part-3/", "context": {"collection": "guide"}}),
    ],
    ids=str,
)
async def test_a_level_is_listed_by_steps_through_the_index_of_paths(
    database: Database, mode: str, name: str, arguments: dict[str, Any]
) -> None:
    answer, explaining = await ask(database, mode, caller(), name, **arguments)
    assert_indexed(explaining)
    shown = len(answer.values if name == "path" else answer.entries)
    assert shown
    assert explaining.scans["by_path"] <= 2 * (shown + 2)
    assert sum(map(blocks, explaining.plans)) < 100 * (shown + 2)


async def test_what_changed_last_comes_in_the_order_of_its_index_page_by_page(database: Database, mode: str) -> None:
    first, explaining = await ask(database, mode, caller(), "list_resources")
    assert explaining.scans == {"by_time": 1, "by_collection": 1}
    second, explaining = await ask(database, mode, caller(), "list_resources", cursor=first.next_cursor)
    assert len(second.resources) == 50
    assert explaining.scans == {"by_time": 1}
    assert all(removed(plan) < 50 for plan in explaining.plans)
    assert all(blocks(plan) < 500 for plan in explaining.plans)


async def test_collections_are_counted_in_an_index_of_their_own(database: Database, mode: str) -> None:
    listing, explaining = await ask(database, mode, caller(), "list_collection")
    assert [entry.name for entry in listing.entries] == ["archive", "guide"]
    assert explaining.scans == {"by_collection": 1}
    [plan] = explaining.plans
    assert [node["Heap Fetches"] for node in nodes(plan) if "Heap Fetches" in node] == [0]


async def test_a_statement_that_reads_everything_is_noticed(database: Database) -> None:
    async with database.transaction("acme", rights(caller())) as transaction:
        [found] = orjson.loads(
            await transaction.connection.fetchval(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM documents.documents WHERE title ILIKE '%titled%'"
            )
        )
    assert "documents" in sequential(found["Plan"]) or removed(found["Plan"]) > READ_MAX


async def test_a_level_is_listed_by_steps_even_where_the_planner_takes_all_documents_for_few(admin: Any) -> None:
    await admin.execute("UPDATE pg_class SET reltuples = 100 WHERE oid = 'documents.documents'::regclass")
    await admin.execute("SET LOCAL ROLE suite_app")
    await admin.execute(SET_CALLER, "acme", as_array(rights(caller())))
    asked = "SELECT * FROM documents.children('guide', '', '', '', 50)"
    [plan] = orjson.loads(await admin.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked}"))
    assert plan["Plan"]["Actual Rows"] == 20
    assert blocks(plan["Plan"]) < DOCUMENTS / 3


# What is taken away here is put back by a rollback; deleted rows leave their traces, so these come last.


@pytest.mark.parametrize("index", ["by_words", "by_title"])
async def test_without_an_index_it_would_be_noticed(admin: Any, index: str) -> None:
    await admin.execute(f"DROP INDEX documents.{index}")
    with pytest.raises(AssertionError):
        assert_searched(await explained(admin, caller(), "common"))


async def test_without_the_pairs_of_words_every_document_with_both_would_be_read(admin: Any) -> None:
    within = await explained(admin, caller(), '"left right"')
    assert sum(map(removed, within)) < DOCUMENTS / 100
    await admin.execute("DROP INDEX documents.by_words; CREATE INDEX by_words ON documents.documents USING gin (words)")
    with pytest.raises(AssertionError):
        assert_searched(await explained(admin, caller(), '"left right"'))


async def blocks_of(admin: Any, query: str) -> int:
    return sum(map(blocks, await explained(admin, caller("initech"), query)))


async def test_others_documents_add_hardly_any_work_to_mine(admin: Any) -> None:
    """The small tenant has three hundred documents; the others have a hundred times as many with the same words."""
    queries = ("common", "half", '"left right"', "hundred*")
    beside = [await blocks_of(admin, query) for query in queries]
    await admin.execute("DELETE FROM documents.documents WHERE tenant_id <> 'initech'")
    for index in ("by_words", "by_title"):
        await admin.execute(f"REINDEX INDEX documents.{index}")
    alone = [await blocks_of(admin, query) for query in queries]
    assert all(more < 3 * less for more, less in zip(beside, alone, strict=True)), (beside, alone)
