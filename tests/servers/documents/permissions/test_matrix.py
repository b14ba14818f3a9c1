"""Every caller, every kind of document, every operation: what one may not read is as if it were not there."""

from collections.abc import AsyncGenerator

import pytest

from tests.harness import Suite
from tests.servers.documents.permissions.canaries import World
from tests.servers.documents.permissions.lists import Lists, check_listening, check_subscribing
from tests.servers.documents.permissions.matrix import Matrix, every, opened
from tests.servers.documents.permissions.operations import operations
from tests.servers.documents.permissions.oracle import EVERYBODY, PERSONAS

pytestmark = pytest.mark.anyio


@pytest.fixture
async def matrix(suite: Suite, documents: World) -> AsyncGenerator[Matrix]:
    async with opened(suite, documents) as made:
        yield made


async def test_every_operation_on_every_document_by_everybody(matrix: Matrix, documents: World) -> None:
    await every(
        matrix.cell(operation, who, document)
        for who in EVERYBODY
        for operation in operations(who, PERSONAS)
        for document in documents.documents
    )
    assert matrix.problems == []
    assert matrix.cells > 10_000


async def test_every_list_count_page_and_completion_of_everybody(matrix: Matrix) -> None:
    await every(Lists(matrix, who).check() for who in EVERYBODY if "read" in who.holds)
    assert matrix.problems == []
    assert matrix.cells > 1_000


async def test_nobody_lists_what_they_may_not_use(matrix: Matrix) -> None:
    for who in EVERYBODY:
        lists = {"tools/list": "tools", "prompts/list": "prompts", "resources/templates/list": "resourceTemplates"}
        for method, field in lists.items():
            shown = (await matrix.ask(who, method, {})).result[field]
            assert bool(shown) is ("read" in who.holds), (who, method)
        if "read" not in who.holds:
            assert (await matrix.ask(who, "resources/list", {})).result["resources"] == []
    assert matrix.problems == []


async def test_subscriptions_of_both_eras_by_everybody(suite: Suite, matrix: Matrix) -> None:
    for who in EVERYBODY:
        await check_listening(suite, matrix, who)
    await every(check_subscribing(suite, matrix, who) for who in PERSONAS)
    assert matrix.problems == []
