"""At most once, where keys change and calls end early; whole calls are in `tests/servers/tickets/jira/`."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, cast

import pytest

from shared.core.errors import Conflict, Invalid, NotFound, OutcomeUnknown, RateLimited, Unavailable
from shared.core.settings import Settings
from shared.core.upstreams import Reader, Sender, Step
from shared.state.database import Database, open_database
from shared.state.keys import KeyRing
from shared.state.sendings import Sendings
from shared.steps.sending import Acts, Once, Whose, truthful
from tests.harness import Databases
from tests.pgbouncer import pooled

pytestmark = pytest.mark.anyio

NOBODY = cast("Any", None)
OLD, NEW = b"1" * 32, b"2" * 32


async def _found(_reader: Reader, target: str, _marker: str, _sent_at: datetime) -> str | None:
    return target or None


STEP = Step("step", _found)


@pytest.fixture(scope="module")
async def database(databases: Databases) -> AsyncGenerator[Database]:
    urls = await databases.fresh()
    async with open_database(urls.app, Settings(**pooled(urls), pool_min=2)) as opened:
        yield opened


def once(database: Database, identity: str, *keys: bytes, in_flight_s: float = 5, **call: Any) -> Once:
    sendings = Sendings(database, "acme", "other", "here")
    given: dict[str, Any] = {"key": True, "dry_run": False, **call}
    whose = Whose("tool", identity.encode(), b"{}", **given)
    return Once(sendings, KeyRing(list(keys) or [OLD]), whose, in_flight_s, 0)


async def sent(one: Once, answer: str = "made", target: str = "") -> tuple[str, list[str]]:
    """What it came to, and the markers that went out."""
    markers: list[str] = []

    async def send(_sender: Sender, marker: str) -> str:
        markers.append(marker)
        return answer

    return await one.do(STEP, target, NOBODY, NOBODY, send), markers


async def test_a_key_that_is_rotated_does_not_send_again(database: Database) -> None:
    reference, markers = await sent(once(database, "rotated", OLD))
    assert len(markers) == 1
    assert await sent(once(database, "rotated", NEW, OLD), "another") == (reference, [])


async def test_what_was_refused_under_an_old_key_goes_out_under_the_same_marker(database: Database) -> None:
    seen: list[str] = []

    async def refuse(_sender: Sender, marker: str) -> str:
        seen.append(marker)
        raise RateLimited("Later.", 1, "other")

    with pytest.raises(RateLimited):
        await once(database, "refused", OLD).do(STEP, "", NOBODY, NOBODY, refuse)
    assert (await sent(once(database, "refused", NEW, OLD)))[1] == seen


@pytest.mark.parametrize("end", ["cancelled", "crashed", "too slow"])
async def test_however_it_ends_early_nobody_takes_it_for_not_done(database: Database, end: str) -> None:
    started = asyncio.Event()

    async def send(_sender: Sender, _marker: str) -> str:
        started.set()
        if end == "crashed":
            raise RuntimeError("a bug")
        await asyncio.Event().wait()
        return ""

    one = once(database, end, in_flight_s=0.1 if end == "too slow" else 5)
    task = asyncio.create_task(one.do(STEP, "", NOBODY, NOBODY, send))
    await started.wait()
    if end == "cancelled":
        task.cancel()
    with pytest.raises((asyncio.CancelledError, RuntimeError, TimeoutError)):
        await task
    assert one.acted
    with pytest.raises(OutcomeUnknown):
        await sent(once(database, end))


async def test_without_a_key_or_in_a_dry_run_nothing_is_sent(database: Database) -> None:
    with pytest.raises(Invalid, match="idempotency_key"):
        await sent(once(database, "keyless", key=False))
    with pytest.raises(RuntimeError, match="dry run"):
        await sent(once(database, "dry", dry_run=True))
    assert (await sent(once(database, "keyless")))[1] != []


class Acted:
    acted = True


@pytest.mark.parametrize("error", [TimeoutError(), Unavailable("Nothing was done."), RateLimited("Later.", 1, "x")])
async def test_what_ends_a_call_after_a_write_is_told_as_unknown(error: Exception) -> None:
    with pytest.raises(OutcomeUnknown):
        async with truthful(cast("Acts", Acted())):
            raise error


@pytest.mark.parametrize("error", [NotFound("It is gone."), Conflict("It was not done."), OutcomeUnknown("As told.")])
async def test_what_repeating_would_not_change_is_told_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as told:
        async with truthful(cast("Acts", Acted())):
            raise error
    assert told.value is error
