"""At start, what a process needs may not be there yet: a composed fleet starts everything at once."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import structlog

from shared.core.errors import SuiteError
from shared.core.reason import reason

T = TypeVar("T")

_FIRST_S = 0.25
_LONGEST_S = 5.0

log = structlog.get_logger("start")


async def patiently(ask: Callable[[], Awaitable[T]], what: str, wait_s: float, *fails: type[SuiteError]) -> T:
    """The answer, asked for again and again while it fails, at growing intervals; each failure is logged.

    Args:
        ask: What may fail.
        what: Its name, for the log.
        wait_s: How long it is asked again; with 0 the first failure is the last.
        fails: What to expect; anything else is raised at once.

    Raises:
        SuiteError: One of `fails`, the last one, when the time is over.
    """
    deadline, pause = time.monotonic() + wait_s, _FIRST_S
    while True:
        try:
            return await ask()
        except fails as error:
            if time.monotonic() + pause > deadline:
                raise
            log.warning("not there yet, asking again", what=what, why=reason(error), again_in_s=pause)
        await anyio.sleep(pause)
        pause = min(2 * pause, _LONGEST_S)
