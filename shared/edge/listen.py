import uvicorn
from starlette.types import ASGIApp

from shared.core.settings import Settings


async def listen(app: ASGIApp, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let calls in flight finish for `drain_s` seconds."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan="off",  # everything was opened before and is closed after
        access_log=False,  # the audit is the access log
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=int(settings.drain_s),
        timeout_keep_alive=75,
        proxy_headers=False,  # a forwarded address is believed only where a deployment says whom to believe
    )
    await uvicorn.Server(config).serve()
