"""Looks after the certificates of a process: new files are taken over, and it is told when each ends."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager

import anyio

from shared.core import metrics
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.state.certificates import SOON_S, Renewed, shown
from shared.state.contract import Finding
from shared.state.lines import lines_of

LOOK_S = 1.0
"""How often files are looked at."""
_WARN_AGAIN_S = 86_400.0


@asynccontextmanager
async def looked_after(lines: Sequence[Renewed], look_s: float = LOOK_S) -> AsyncGenerator[None]:
    """Take new certificates over and tell when each ends, for as long as the context lasts.

    Looked at and not listened for: what renews certificates often does so on file systems that tell nobody.
    """
    if not lines:
        yield
        return
    with ExitStack() as stack:
        for line in lines:
            for use in line.ends:
                stack.enter_context(metrics.CERTIFICATE_ENDS.reading(lambda line=line, use=use: line.ends[use], use))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_look, lines, look_s)
            yield
            tasks.cancel_scope.cancel()


def certificates(settings: Settings) -> list[Finding]:
    """Lines of `doctor`: when what is in use ends."""
    try:
        lines = lines_of(settings)
    except Misconfigured as error:
        return [Finding("problem", str(error), "Write PEM files there that fit each other (docs/tls.md).")]
    return [_finding(use, ends) for line in lines for use, ends in line.ends.items()]


def _finding(use: str, ends: float) -> Finding:
    left_s = ends - time.time()
    text = f"the certificate of {use} ends {shown(ends)}"
    if left_s < 0:
        return Finding("problem", text.replace("ends", "has ended", 1), "Renew it; a running process takes it over.")
    if left_s < SOON_S:
        return Finding("warning", text, "Renew it; a running process takes it over.")
    return Finding("ok", text)


async def _look(lines: Sequence[Renewed], look_s: float) -> None:
    while True:
        for line in lines:
            line.warn()
        with anyio.move_on_after(_WARN_AGAIN_S):
            while True:
                await anyio.sleep(look_s)
                for line in lines:
                    await anyio.to_thread.run_sync(line.look)
