import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers.customers.desk import Desk

pytestmark = pytest.mark.anyio

NAMES = st.lists(st.sampled_from(["Kik Alpha", "Kik Kikeri", "Kika", "Beta Kik", "KIK", "Kïk Zeta"]), max_size=12)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=NAMES, meanwhile=NAMES, limit=st.integers(1, 5))
async def test_a_walk_lists_every_customer_that_was_there_exactly_once_whatever_is_added_meanwhile(
    desk: Desk, before: list[str], meanwhile: list[str], limit: int
) -> None:
    async def create(name: str) -> str:
        made = await desk.ask("create_customer", name=name, country="DE", segment="consumer")
        return made.customer.id

    there = {await create(name) for name in before} | set(await desk.walk(query="kik"))
    walked: list[str] = []

    async def walk() -> None:
        walked.extend(await desk.walk(query="kik", limit=limit))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(walk)
        for name in meanwhile:
            tasks.start_soon(create, name)
    assert len(walked) == len(set(walked))
    assert there <= set(walked)
