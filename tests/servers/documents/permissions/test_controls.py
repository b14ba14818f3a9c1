"""Takes one defence away at a time: the matrix must see it, or it proves nothing."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from servers.documents import finding
from shared.core.caller import Caller
from shared.state.metadata import KeptOf, Metadata
from tests.harness import Suite
from tests.servers.documents.permissions.canaries import World
from tests.servers.documents.permissions.lists import Lists
from tests.servers.documents.permissions.matrix import every, opened
from tests.servers.documents.permissions.operations import MORE, READS
from tests.servers.documents.permissions.oracle import PERSONAS

pytestmark = pytest.mark.anyio

BY_NAME = {operation.name: operation for operation in (*READS, *MORE)}
ASKED = ("read", "read as a resource", "search its word", "read the older version", "compare")
CALLERS = {who.key: who for who in PERSONAS}
TENANT = "tenant_id = (SELECT current_setting('app.tenant', true))"
RIGHTS = "(SELECT nullif(current_setting('app.rights', true), '')::text[])"
CLEARED = f"ARRAY['class:' || classification] <@ {RIGHTS}"
READER = f"readers && {RIGHTS}"
OF_DOCUMENT = (
    "EXISTS (SELECT FROM documents.documents AS d WHERE d.tenant_id = versions.tenant_id AND d.id = document_id)"
)
IN_SEARCH = "AND ARRAY['class:' || d.classification] <@ $4 AND d.readers && $4"


async def flipped(suite: Suite, documents: World) -> set[str]:
    """The operations that are not as they must be for somebody, and `lists` for all that is no operation."""
    await suite.parts.stores.notices.publish("documents", "acme", ["doc://anything"])  # nothing kept from before
    async with opened(suite, documents) as matrix:
        for key in ("manager", "support"):
            await Lists(matrix, CALLERS[key]).check()
        lists = {"lists"} if matrix.problems else set[str]()
        matrix.problems.clear()
        some = ((BY_NAME[name], one) for name in ASKED for one in documents.documents)
        await every(matrix.cell(operation, CALLERS["support"], one) for operation, one in some)
    return lists | {name for name in ASKED if any(f": {name}: " in problem for problem in matrix.problems)}


@asynccontextmanager
async def without(suite: Suite, clause: str, table: str, *clauses: str) -> AsyncGenerator[None]:
    """The policy of a table without one of its clauses."""
    alter = f"ALTER POLICY readers ON documents.{table} USING ({{}})"
    await suite.sql(alter.format(" AND ".join(each for each in clauses if each != clause)))
    try:
        yield
    finally:
        await suite.sql(alter.format(" AND ".join(clauses)))


@pytest.mark.parametrize("clause", [TENANT, CLEARED, READER])
async def test_each_clause_of_the_policy_of_documents_is_needed(suite: Suite, documents: World, clause: str) -> None:
    async with without(suite, clause, "documents", TENANT, CLEARED, READER):
        # That it is there is told then. What it says is hidden by the policy of versions, and by the search.
        found = await flipped(suite, documents)
        assert found - {"read the older version"} == {"lists", "compare"}
        async with without(suite, clause, "versions", TENANT, CLEARED, READER, OF_DOCUMENT):
            found = await flipped(suite, documents)
    assert found == {*ASKED, "lists"} - {"search its word"}


@pytest.mark.parametrize("clause", [CLEARED, READER])
async def test_each_clause_of_the_policy_of_versions_is_needed(suite: Suite, documents: World, clause: str) -> None:
    async with without(suite, clause, "versions", TENANT, CLEARED, READER, OF_DOCUMENT):
        assert await flipped(suite, documents) == {"read the older version", "compare"}


def rightless(caller: Caller, collection: str | None = None, label: str | None = None) -> str:
    """What the index is asked for, without rights."""
    asked = {"tenant": caller.tenant, "collection": collection, "label": label}
    return " & ".join(f"'\x02{kind}:{value}'" for kind, value in asked.items() if value)


async def test_the_search_asks_for_rights_twice_and_one_of_both_is_enough(
    suite: Suite, documents: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(search,)] = await suite.sql("SELECT pg_get_functiondef('documents.search'::regproc)")
    assert search.count(IN_SEARCH) == 2
    with monkeypatch.context() as patch:
        patch.setattr(finding, "required", rightless)
        assert await flipped(suite, documents) == set()
    await suite.sql(search.replace(IN_SEARCH, ""))
    try:
        assert await flipped(suite, documents) == set()
        with monkeypatch.context() as patch:
            patch.setattr(finding, "required", rightless)
            # Row-level security still hides what was found; how much it was is told.
            assert await flipped(suite, documents) == {"lists"}
    finally:
        await suite.sql(search)


async def test_what_is_kept_must_be_kept_by_rights(
    suite: Suite, documents: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def for_all(self: Metadata, server: str, tenant: str, rights: object) -> KeptOf:
        return KeptOf(self, server, tenant, None)

    monkeypatch.setattr(Metadata, "of", for_all)
    assert await flipped(suite, documents) == {"lists"}
