"""What runs beside the calls: the servers' workers, jobs, announcements, lost replies."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
import structlog

from shared.core.background import Background
from shared.core.server import Server
from shared.edge.approved import Approved
from shared.edge.draining import Draining
from shared.parts import Parts
from shared.state.jobs.worker import Worker
from shared.steps.audit.digests import digest_of
from shared.steps.audit.working import write_once

_WORK_AGAIN_S = 5.0

log = structlog.get_logger("app")


@asynccontextmanager
async def open_workers(
    parts: Parts, served: Sequence[Server], draining: Draining | None = None
) -> AsyncGenerator[None]:
    """Run what the servers do beside their calls; one that fails is started again and takes nobody with it.

    They are stopped as soon as the process is told to: others go on with their work.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_work, parts, served, draining or Draining())
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


async def _work(parts: Parts, served: Sequence[Server], draining: Draining) -> None:
    async with anyio.create_task_group() as tasks:
        for server in served:
            tell = partial(parts.stores.notices.publish, server.name)
            background = Background(
                parts.database,
                tell,
                has_opened=parts.opened.get(server.name),
                settings=parts.settings,
                put_on_record=partial(write_once, parts.database, parts.writer, server.name),
                keyed_digest=partial(digest_of, parts.keys.audit),
            )
            for worker in server.workers:
                tasks.start_soon(_keep_working, server.name, partial(worker, background))
        if not parts.settings.read_only:
            names = [server.name for server in served]
            tasks.start_soon(_keep_working, "suite", partial(parts.announcements.run, names))
            for upstream in parts.upstreams.values():
                from shared.edge.outbound.reconciling import reconcile  # noqa: PLC0415 - most processes have none

                tasks.start_soon(_keep_working, upstream.server, partial(reconcile, upstream, parts.writer))
            tasks.start_soon(_keep_working, "suite", _approved(parts, served).work)
            jobs = Worker(parts.database, parts.stores.notices.publish, parts.settings, served)
            tasks.start_soon(_keep_working, "suite", jobs.work)
        await draining.wait_announced()
        tasks.cancel_scope.cancel()


def _approved(parts: Parts, served: Sequence[Server]) -> Approved:
    """Does what people approved; a pipeline has nothing of its own, so these are as good as those that serve."""
    pipelines = {server.name: parts.pipeline(server) for server in served}
    of = {server.name: server for server in served}
    return Approved(parts.database, parts.settings, of, pipelines, parts.stores.notices.publish)


async def _keep_working(server: str, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:  # the boundary of background work, as protocol.py is that of calls
            log.exception("a worker failed, will start again", server=server)
        await anyio.sleep(_WORK_AGAIN_S)
