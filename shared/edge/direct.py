from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class Direct:
    """Requests to an endpoint's path go to it; all others through the application, whose layers they alone need."""

    def __init__(self, endpoints: Mapping[str, ASGIApp], app: ASGIApp) -> None:
        self._endpoints = endpoints
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        await (endpoint or self._app)(scope, receive, send)
