"""Which process answered: said on request, and otherwise nobody's business."""

from collections.abc import Awaitable, Callable

import pytest
from pydantic import ValidationError

from shared.core.settings import Settings
from tests.harness import Suite

pytestmark = pytest.mark.anyio


async def test_a_replica_that_is_told_its_name_says_it_in_every_answer(
    own_suite: Callable[..., Awaitable[Suite]],
) -> None:
    suite = await own_suite(show_replica="customers-1.2")
    listed = await suite.post(suite.token(), "tools/list", {})
    refused = await suite.post(None, "tools/list", {})
    async with suite.http() as client:
        probed = await client.get(f"{suite.settings.base_url}/readyz")
    assert [answer.status_code for answer in (listed, refused, probed)] == [200, 401, 200]
    assert {answer.headers["suite-replica"] for answer in (listed, refused, probed)} == {"customers-1.2"}


async def test_by_default_nobody_is_told(suite: Suite) -> None:
    answer = await suite.post(suite.token(), "tools/list", {})
    assert "suite-replica" not in answer.headers


def test_a_name_that_could_not_stand_in_a_header_is_refused() -> None:
    with pytest.raises(ValidationError, match="show_replica"):
        Settings(show_replica="a\r\nSet-Cookie: b")
