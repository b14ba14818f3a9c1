"""A Jira on a loopback port: the parts of REST API v3 that the server uses, in the shapes Jira answers with, a log of
every request, and faults by script.
"""

import asyncio
import re
from base64 import urlsafe_b64decode
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import orjson
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.core.settings import Settings
from shared.edge.listen import bind
from tests.servers.tickets.jira import routes
from tests.servers.tickets.jira.faults import TAKES_EFFECT, Fault, Kind
from tests.servers.tickets.jira.issues import Issues, Refused
from tests.servers.tickets.jira.routes import Asked

_MARKER = re.compile(r"mcp-suite-[0-9a-f]{32}")
_BIG = 6 * 2**20


@dataclass
class Logged:
    """One request.

    Attributes:
        applied: Whether it changed something.
        refused: Whether it was told to have changed nothing.
    """

    method: str
    path: str
    body: Any
    headers: dict[str, str]
    who: str | None = None
    status: int | None = None
    applied: bool = False
    refused: bool = False

    @property
    def markers(self) -> set[str]:
        """Of the write."""
        if not self.writes or not self.body:
            return set()
        found: list[str] = [each["key"] for each in self.body.get("properties", ())]
        labels: list[str] = self.body.get("fields", {}).get("labels", []) if self.path.endswith("/issue") else []
        return {each for each in (*found, *labels) if _MARKER.fullmatch(each)}

    @property
    def writes(self) -> bool:
        asks = ("/search/jql", "/bulkfetch", "/comment/list")
        return self.method != "GET" and not self.path.endswith(asks)


@dataclass
class FakeJira:
    """The site, and what tests do to it.

    Attributes:
        who: The account behind an `Authorization` header; None refuses it.
        remaining: Sent as `X-RateLimit-Remaining`, if set.
        begun: Called with each request as it comes in.
    """

    who: Callable[[str], str | None]
    url: str = ""
    issues: Issues = field(default_factory=Issues)
    log: list[Logged] = field(default_factory=list[Logged])
    faults: list[Fault] = field(default_factory=list[Fault])
    begun: Callable[[Logged], None] | None = None
    hold: anyio.Event | None = None

    def fails(self, *faults: Fault) -> None:
        self.faults += faults

    @property
    def writes(self) -> list[Logged]:
        return [each for each in self.log if each.writes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        content = await request.body()
        path = scope["path"]
        logged = Logged(request.method, path, orjson.loads(content) if content else None, dict(request.headers))
        self.log.append(logged)
        if self.begun is not None:
            self.begun(logged)
        logged.who = self.who(request.headers.get("authorization", ""))
        fault = next((each for each in self.faults if each.meets(logged.method, path)), None)
        if fault is not None:
            fault.times -= 1
        answer = await self._answer(logged, dict(request.query_params), fault)
        if answer is None:
            transport: Any = send.__self__.transport  # type: ignore[attr-defined] # uvicorn's: the connection itself
            transport.abort()
            return
        logged.status = answer.status_code
        logged.refused = 400 <= answer.status_code < 500
        if fault is not None and fault.kind == "dripping":
            await _drip(answer, send)
            return
        await answer(scope, receive, send)

    async def _answer(self, logged: Logged, query: dict[str, str], fault: Fault | None) -> Response | None:
        """None where the connection breaks instead."""
        if logged.who is None:
            return _json(401, {"message": "Unauthorized"})
        done = fault is None or fault.kind in TAKES_EFFECT
        answer = self._done(logged, query) if done else (500, None)
        if fault is None:
            return _json(*answer)
        if fault.kind in {"slow_before", "slow_after"}:
            await self._wait()
        if fault.kind in {"slow_before", "reset_before", "reset_after"}:
            return None
        return _spoilt(fault, answer)

    async def _wait(self) -> None:
        hold = self.hold or anyio.Event()
        with anyio.move_on_after(20):
            await hold.wait()

    def _done(self, logged: Logged, query: dict[str, str]) -> tuple[int, Any]:
        asked = Asked(self.issues, str(logged.who), logged.body or {}, query, self.url)
        try:
            status, answer = routes.answer(logged.method, logged.path, asked)
        except Refused as refused:
            return refused.status, refused.body
        logged.applied = logged.writes
        return status, answer


def _json(status: int, body: Any) -> Response:
    if body is None:
        return Response(status_code=status)
    headers = {"Set-Cookie": "atlassian.xsrf.token=one-session; Path=/", "X-AREQUESTID": "1"}
    return Response(orjson.dumps(body), status, headers, "application/json;charset=UTF-8")


def _spoilt(fault: Fault, answer: tuple[int, Any]) -> Response:
    at = datetime.now(UTC) + timedelta(seconds=fault.after_s)
    until = {"Retry-After": format_datetime(at, usegmt=True), "X-RateLimit-Remaining": "0"}
    made: dict[Kind, Callable[[], Response]] = {
        "limited": lambda: Response(b"{}", 429, {"Retry-After": str(fault.after_s)}, "application/json"),
        "limited_at_date": lambda: Response(b"{}", 429, until, "application/json"),
        "error_before": lambda: Response(b"<html>oops</html>", 500, media_type="text/html"),
        "error_after": lambda: Response(b"<html>oops</html>", 500, media_type="text/html"),
        "malformed": lambda: Response(b'{"key": "SUP-', 200, media_type="application/json"),
        "html": lambda: Response(b"<html>hello</html>", 200, media_type="text/html"),
        "oversize": lambda: Response(b'{"x": "' + b"x" * _BIG + b'"}', 200, media_type="application/json"),
        "other_shape": lambda: _json(200, {"key": 7, "id": "x", "issues": 1, "fields": []}),
        "redirect": lambda: Response(b"", 302, {"Location": "http://127.0.0.1:9/login"}),
        "unauthorized": lambda: _json(401, {"message": "expired"}),
    }
    return made.get(fault.kind, lambda: _json(*answer))()


async def _drip(answer: Response, send: Send) -> None:
    """A body that never ends, though it never stops either."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(200):
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.sleep(0.05)


def subject_of(header: str) -> str | None:
    """The account of whom a token is for, as an API that trusts the provider reads it."""
    kind, _, token = header.partition(" ")
    if kind != "Bearer" or token.count(".") != 2:
        return None
    payload = token.split(".")[1]
    claims = orjson.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"acc-{claims['sub']}"


@asynccontextmanager
async def open_jira(who: Callable[[str], str | None]) -> AsyncGenerator[FakeJira]:
    """The site on a free port."""
    jira = FakeJira(who)
    with bind(Settings(port=0)) as listening:
        jira.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(jira, lifespan="off", log_config=None, access_log=False, http="h11")
        server = uvicorn.Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listening])
            with anyio.fail_after(10):
                while not server.started:
                    await anyio.lowlevel.checkpoint()
            try:
                yield jira
            finally:
                server.force_exit = server.should_exit = True
                if jira.hold is not None:
                    jira.hold.set()
