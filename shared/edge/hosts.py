"""Which names we answer to, and which web pages may call us (DNS rebinding; MCP transport security)."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.core.settings import Settings
from shared.edge.refusals import Refusals

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_PROBES = ("/livez", "/readyz", "/health", "/ready")


class HostAndOrigin:
    """421 for a Host that is not ours, 403 for an Origin that is not allowed; probes come by any name."""

    def __init__(self, app: ASGIApp, settings: Settings, refusals: Refusals) -> None:
        self._app = app
        self._refusals = refusals
        ours = urlsplit(settings.base_url)
        names = {ours.netloc.lower()}
        if ours.hostname in {"127.0.0.1", "localhost", "::1"}:
            names |= {f"{name}:{ours.port}" for name in _LOOPBACK}
        self._hosts = names | {host.lower() for host in settings.allowed_hosts}
        self._origins = {f"{ours.scheme}://{name}" for name in names} | {*settings.allowed_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            headers = Headers(scope=scope)
            if headers.get("host", "").strip().lower() not in self._hosts:
                await self._refuse(scope, receive, send, 421, "host")
                return
            origin = headers.get("origin")
            if origin is not None and origin.strip() not in self._origins:
                await self._refuse(scope, receive, send, 403, "origin")
                return
        await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
        self._refusals.count("edge", reason, scope["client"][0] if scope.get("client") else None)
        text = f"This {reason.capitalize()} is not allowed here. Allow it with SUITE_ALLOWED_{reason.upper()}S.\n"
        await PlainTextResponse(text, status)(scope, receive, send)
