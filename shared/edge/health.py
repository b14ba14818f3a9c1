"""`/livez` says the process runs; `/readyz` says everything it opened answers. Aliases: `/health`, `/ready`."""

from collections.abc import Awaitable, Callable, Mapping

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from shared.core.errors import SuiteError
from shared.edge.draining import Draining

Check = Callable[[], Awaitable[None]]

_CHECK_S = 3.0


def routes(checks: Mapping[str, Check], draining: Draining | None = None) -> list[Route]:
    """Routes of the probes.

    Args:
        checks: For each thing the application opened, a coroutine function that raises unless it answers.
        draining: Once it is announced we are not ready any more, whatever answers.
    """

    async def livez(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_request: Request) -> JSONResponse:
        if draining is not None and draining.announced:
            return JSONResponse({"status": "draining", "checks": {}}, 503)
        states: dict[str, str] = {}
        async with anyio.create_task_group() as tasks:
            for name, check in checks.items():
                tasks.start_soon(_state, name, check, states)
        ready = all(state == "ok" for state in states.values())
        ordered = {name: states[name] for name in checks}
        return JSONResponse({"status": "ok" if ready else "unready", "checks": ordered}, 200 if ready else 503)

    return [
        Route("/livez", livez),
        Route("/health", livez),
        Route("/readyz", readyz),
        Route("/ready", readyz),
    ]


async def _state(name: str, check: Check, states: dict[str, str]) -> None:
    try:
        with anyio.fail_after(_CHECK_S):
            await check()
        states[name] = "ok"
    except (SuiteError, TimeoutError):
        states[name] = "unavailable"
