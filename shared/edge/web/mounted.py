from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class Mounted:
    """Requests at or below a site's path go to it, past the layers that are for programs (CORS); all others on."""

    def __init__(self, sites: Mapping[str, ASGIApp], app: ASGIApp) -> None:
        self._sites = sites
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        site = self._sites.get("/" + path.split("/", 2)[1]) if path.startswith("/") else None
        await (site if site is not None and scope["type"] == "http" else self._app)(scope, receive, send)
