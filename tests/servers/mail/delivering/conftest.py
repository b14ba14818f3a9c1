"""An outbox for each test, in a database of its own."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from shared.state.services import migrate
from tests.harness import Databases
from tests.servers.mail.delivering.outbox import Outbox, open_outbox

_MIGRATIONS = Path(__file__).parents[4] / "servers" / "mail" / "migrations"

Make = Callable[..., Awaitable[Outbox]]


@pytest.fixture
async def outbox(databases: Databases, tmp_path: Path) -> AsyncGenerator[Make]:
    """A maker of outboxes; see `open_outbox`."""
    async with AsyncExitStack() as stack:

        async def make(**given: Any) -> Outbox:
            urls = await databases.fresh()
            await migrate(urls.owner, {"mail": _MIGRATIONS})
            return await stack.enter_async_context(open_outbox(urls, tmp_path, **given))

        yield make
