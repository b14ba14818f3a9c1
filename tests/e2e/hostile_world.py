"""Where the rows of the hostile edge are played: one application over HTTP, two processes over stdio, one database."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import httpx

from shared.state.database import connect
from shared.steps.audit.query import Filter, query
from tests.clients.local import Local
from tests.clients.wire import Wire, wired
from tests.e2e.hostile_sessions import GOOD, SESSIONS
from tests.e2e.hostile_tokens import FORGED
from tests.harness import ERAS, GENEROUS, LEGACY, Databases, Suite, modern, modern_headers, open_suite

MESSAGE_ID = "row"

Values = str | bytes | tuple[str, ...] | None
Headers = dict[str, Values]
"""By name, one or several; None leaves one out."""


@dataclass(frozen=True)
class Place:
    """A transport and an era."""

    transport: str
    era: str

    def __str__(self) -> str:
        return f"{self.transport}-{self.era}"


@dataclass(frozen=True)
class Answer:
    """What came back: over HTTP all of it, over stdio the line, and None for silence."""

    body: Any
    text: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def code(self) -> int | str | None:
        """JSON-RPC's code, the word of a typed error, OAuth's error, or None where there is none of them."""
        if not isinstance(self.body, dict):
            return None
        body = cast("dict[str, Any]", self.body)  # pyright: ignore[reportUnknownMemberType]
        if "error" in body:
            error: Any = body["error"]
            return error["code"] if isinstance(error, dict) else error  # pyright: ignore[reportUnknownVariableType]
        if body["result"].get("isError"):
            return body["result"]["structuredContent"]["error"]["code"]
        return "ok"


@dataclass
class World:
    """An application and its processes over stdio, on one database with one set of keys."""

    suite: Suite
    http: httpx.AsyncClient
    wires: dict[str, Wire]
    sessions: dict[str, str] = field(default_factory=dict[str, str])
    reader: Any = None

    @property
    def metadata_url(self) -> str:
        return self.suite.where["customers"].metadata_url

    async def presents(self, place: Place, sent: Any) -> Values:
        """The session a row's request names; opened here, before the row begins, like the caller's own."""
        if str(place) != "http-legacy":
            return None
        await self.session_of(sent.token)
        return await SESSIONS[sent.session](self, sent.token)

    async def send(self, place: Place, sent: Any, extra: Mapping[str, Any], session: Values = None) -> Answer:
        """Send what a row says, `extra` added to the arguments of its call, and wait for the answer.

        Args:
            place: Where.
            sent: What.
            extra: As what is wrong with the world meanwhile wants it.
            session: What the request presents, if that is not the caller's own session.
        """
        params = merged(sent.params, extra)
        content = sent.spoil(message(place.era, sent.method, params))
        if place.transport == "stdio":
            return await self.say(place.era, content, silent=sent.silent)
        headers = await self.headers(place.era, sent.method, params, sent.token)
        if str(place) == "http-legacy" and sent.session != "own":
            headers["Mcp-Session-Id"] = session
        headers |= sent.headers
        return await self.request(sent.verb, content, headers, sent.chunked)

    async def headers(self, era: str, method: str, params: Mapping[str, Any], token: str) -> Headers:
        """The good ones; in the 2025 era with the caller's session, which is opened the first time."""
        own: Headers = dict(modern_headers(method, dict(params)))
        if era == "legacy":
            own = {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": await self.session_of(token)}
        presented = FORGED[token](self.suite)
        scheme = "" if presented is None or " " in presented else "Bearer "
        shown = None if presented is None else scheme + presented
        accept = "application/json, text/event-stream"
        return {"Accept": accept, "Content-Type": "application/json", "Authorization": shown, **own}

    async def session_of(self, token: str) -> str:
        """The session of the token's caller. Who cannot open one presents the manager's, as a thief would."""
        whose = token if token in GOOD else "of a manager"
        if whose not in self.sessions:
            opened = await self.suite.session(FORGED[whose](self.suite) or "")
            self.sessions[whose] = opened["Mcp-Session-Id"]
        return self.sessions[whose]

    async def request(self, verb: str, content: bytes, headers: Headers, chunked: bool) -> Answer:
        async def chunks() -> AsyncGenerator[bytes]:
            for start in range(0, len(content), 2**16):
                yield content[start : start + 2**16]

        body = chunks() if chunked else content
        given = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, values in headers.items()
            for value in (values if isinstance(values, tuple) else (values,))
            if value is not None
        ]
        with anyio.fail_after(30):  # a stream that should have been refused says something now and then
            answer = await self.http.request(verb, self.suite.url(), content=body, headers=given)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return Answer(answer.json() if is_json else None, answer.text, answer.status_code, answer.headers)

    async def say(self, era: str, line: bytes, *, silent: bool) -> Answer:
        """Send a line; if it is to be met with silence, the answer to a question after it must come first."""
        wire = self.wires[era]
        await wire.send(line)
        if silent:
            answered = len(wire.lines)
            await wire.ask("server/discover" if era == "modern" else "ping", {}, "after")
            heard = wire.lines[answered:-1]
            return Answer(json.loads(heard[0]) if heard else None, b"".join(heard).decode())
        with anyio.fail_after(10):
            while True:
                said = await wire.read()
                if said.get("id") in {MESSAGE_ID, None} and "method" not in said:
                    return Answer(said, wire.lines[-1].decode())

    async def left(self, since: datetime) -> list[dict[str, Any]]:
        """Records since then, the oldest first, with what was counted over HTTP."""
        await self.suite.refusals.flush()
        if self.reader is None or self.reader.is_closed():
            self.reader = await connect(self.suite.urls.reader, "test")
        found = await query(self.reader, Filter(since=since, limit=1000))
        return [record for record in reversed(found) if not _is_of_no_row(record)]

    async def recovers(self) -> None:
        """Every process works again, by itself, and has told what it had to keep to itself meanwhile."""
        with anyio.fail_after(30):
            while (await self.http.get(f"{self.suite.settings.base_url}/readyz")).status_code != 200:
                await anyio.sleep(0.05)
            for wire in self.wires.values():
                while "error" in await wire.ask("resources/templates/list", {}, "again"):
                    await anyio.sleep(0.05)


RECOVERY = {"resources/templates/list"}
"""What is asked to see whether a process works again; no row asks for it."""


def _is_of_no_row(record: dict[str, Any]) -> bool:
    """What a process writes in its own time: its chain, what it settled, what it counted over stdio in a minute."""
    if record["kind"] == "refusals":
        return {one["source"] for one in record["refusals"]} == {"stdio"}
    return record["kind"] == "chain" or record["target"] in RECOVERY


def message(era: str, method: str, params: Mapping[str, Any]) -> bytes:
    plain = {"jsonrpc": "2.0", "id": MESSAGE_ID, "method": method, "params": params}
    return json.dumps(plain if era == "legacy" else modern(method, dict(params), MESSAGE_ID)).encode()


def merged(params: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    if not extra:
        return dict(params)
    if "uri" in extra:
        return {**params, **extra}
    return {**params, "arguments": {**params.get("arguments", {}), **extra}}


WORLDS: dict[str, dict[str, Any]] = {
    "open": {"ledger_wait_s": 0.2, "sessions_per_user": 100},
    "tight": {"calls_per_minute": 100_000, "tool_calls_per_minute": 1, "burst": 3, "deadline_s": 0.5, "pool_min": 1},
    "worn": {"session_steps": 20, "same_calls_per_minute": 2},
    "keyless": {"jwks_url": "http://127.0.0.1:9/jwks.json"},
}
"""Settings of each: everything allowed, little at a time, little altogether, and an identity provider whose keys
cannot be had."""


@asynccontextmanager
async def open_world(name: str, databases: Databases, folder: Path, **services: Any) -> AsyncGenerator[World]:
    settings = {**GENEROUS, **WORLDS[name], **services}
    urls = await databases.fresh()
    await anyio.Path(folder).mkdir(mode=0o700)
    async with AsyncExitStack() as stack:
        suite = await stack.enter_async_context(open_suite(urls, folder, databases.admin_url, **settings))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        del http.headers["accept"]  # else it says of itself that it takes everything
        wires: dict[str, Wire] = {}
        if name != "keyless":
            more = {"tight": "", "worn": " customers:pii customers:export"}
            scopes = "customers:write" + more.get(name, " customers:pii")
            local = Local(urls, folder, scopes)
            env = local.env | {f"SUITE_{key.upper()}": str(value) for key, value in settings.items()}
            for era in ERAS:
                wires[era] = await stack.enter_async_context(wired(env, local.errors, era))
            async with anyio.create_task_group() as tasks:
                for wire in wires.values():
                    tasks.start_soon(wire.greet)
        world = World(suite, http, wires, {"of a manager": "of no use"} if name == "keyless" else {})
        yield world
        if world.reader is not None:
            await world.reader.close()


def now() -> datetime:
    return datetime.now(UTC)
