"""More requests than a process takes on: it serves some, lets a few wait, refuses the rest at once, and recovers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx
import pytest
from mcp.shared.exceptions import MCPError
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from servers.customers.server import server as customers
from shared.core import metrics
from shared.core.settings import Settings
from shared.core.tool import Answer, Arguments, Call
from shared.core.toolset import Toolset
from shared.edge.gate import Gate
from shared.edge.pressure import Busy, Pressure
from shared.edge.refusals import Refusals
from tests.generous import EVERYBODY
from tests.harness import Databases, Suite, modern, modern_headers, open_suite

pytestmark = pytest.mark.anyio

PLACES, WAITING = 4, 3
BUSY = "This server is busy"


@dataclass
class Desk:
    """Where the slow tool holds its callers until they may go."""

    may_go: anyio.Event = field(default_factory=anyio.Event)
    inside: int = 0
    most: int = 0


desk = Desk()
tools = Toolset()


class Nothing(Arguments):
    pass


class Done(Answer):
    done: bool = True


@tools.read("customers:read")
async def linger(call: Call, query: Nothing) -> Done:
    """Take as long as the test wants."""
    desk.inside += 1
    desk.most = max(desk.most, desk.inside)
    try:
        await desk.may_go.wait()
    finally:
        desk.inside -= 1
    return Done()


PARAMS: dict[str, Any] = {"name": "linger", "arguments": {}}


@asynccontextmanager
async def bounded(databases: Databases, folder: Path, **settings: Any) -> AsyncGenerator[Suite]:
    global desk  # noqa: PLW0603 - the tool is declared once, its desk is each test's own
    desk = Desk()
    bounds = {"max_in_flight": PLACES, "max_waiting": WAITING, "max_wait_s": 30, "deadline_s": 60, **settings}
    served = [replace(customers, tools=tools, workers=(), views=None, policy=EVERYBODY)]
    async with open_suite(await databases.fresh(), folder, databases.admin_url, served=served, **bounds) as suite:
        yield suite


async def until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not true():
            await anyio.sleep(0.005)


@dataclass
class Flood:
    """Calls that were sent, and the answers so far."""

    suite: Suite
    tasks: anyio.abc.TaskGroup
    answers: list[httpx.Response] = field(default_factory=list[httpx.Response])

    def send(self, count: int) -> None:
        for _ in range(count):
            self.tasks.start_soon(self._send)

    async def _send(self) -> None:
        self.answers.append(await self.suite.post(self.suite.token(), "tools/call", PARAMS))

    def with_status(self, status: int) -> list[httpx.Response]:
        return [answer for answer in self.answers if answer.status_code == status]


@asynccontextmanager
async def flooded(suite: Suite, count: int = PLACES + WAITING) -> AsyncGenerator[Flood]:
    """As many calls as there are places, and in the queue, from here on; all have gone when the context ends."""
    async with anyio.create_task_group() as tasks:
        flood = Flood(suite, tasks)
        flood.send(count)
        pressure = suite.parts.pressure
        try:
            await until(lambda: (desk.inside, pressure.waiting) == (min(PLACES, count), max(0, count - PLACES)))
            yield flood
        finally:
            desk.may_go.set()


async def refused(suite: Suite) -> list[tuple[str, int]]:
    """Why requests were refused before any handler saw them, and how many, as the audit has it."""
    await suite.refusals.flush()
    [record] = [found for found in await suite.records() if found["kind"] == "refusals"]
    return [(found["reason"], found["count"]) for found in record["refusals"]]


async def test_of_a_flood_some_are_served_a_few_wait_and_the_rest_is_refused_at_once(
    databases: Databases, tmp_path: Path
) -> None:
    async with bounded(databases, tmp_path) as suite:
        before = metrics.EDGE_REFUSALS.value("customers", "overload_queue")
        async with flooded(suite) as flood:
            flood.send(20)
            await until(lambda: len(flood.answers) == 20)
            assert len(flood.with_status(503)) == 20
            assert {answer.headers["retry-after"] for answer in flood.answers} == {"1", "2", "3"}
            assert (desk.inside, suite.parts.pressure.waiting) == (PLACES, WAITING)
            async with suite.http() as client:  # whoever watches us sees that we are well
                for path in ("/livez", "/readyz", "/.well-known/oauth-protected-resource/customers/mcp"):
                    answer = await client.get(suite.url().replace("/customers/mcp", path))
                    assert answer.status_code == 200
        assert len(flood.with_status(200)) == PLACES + WAITING
        assert all(answer.json()["result"]["structuredContent"] == {"done": True} for answer in flood.with_status(200))
        assert desk.most == PLACES
        assert (await suite.post(suite.token(), "tools/call", PARAMS)).status_code == 200
        await until(lambda: suite.parts.pressure.in_flight == 0)
        assert suite.parts.pressure.waiting == 0
        assert await refused(suite) == [("overload_queue", 20)]
        assert metrics.EDGE_REFUSALS.value("customers", "overload_queue") == before + 20


async def test_what_is_refused_is_refused_before_its_token_and_its_body_are_looked_at(
    databases: Databases, tmp_path: Path
) -> None:
    async with bounded(databases, tmp_path) as suite, flooded(suite):
        async with suite.http() as client:
            headers = modern_headers("tools/call", PARAMS) | {"Authorization": "Bearer nonsense"}
            answer = await client.post(suite.url(), content=b"nonsense", headers=headers)
        assert (answer.status_code, BUSY in answer.json()["error"]["message"]) == (503, True)


async def test_a_client_of_2025_is_refused_inside_a_200_and_keeps_its_connection(
    databases: Databases, tmp_path: Path
) -> None:
    async with bounded(databases, tmp_path) as suite, suite.connect("admin", "legacy") as client:
        async with flooded(suite):
            for _ in range(2):
                with pytest.raises(MCPError, match=BUSY):
                    await client.call_tool("linger", {})
            async with suite.http() as raw:
                body = {"jsonrpc": "2.0", "id": "mine", "method": "tools/list"}
                answer = await raw.post(suite.url(), json=body)
            assert (answer.status_code, answer.json()["id"]) == (200, "mine")
        answered = await client.call_tool("linger", {})
        assert answered.structured_content == {"done": True}


async def test_what_a_client_of_2025_only_tells_us_is_never_refused_for_want_of_room(
    databases: Databases, tmp_path: Path
) -> None:
    async with bounded(databases, tmp_path) as suite, flooded(suite), suite.http() as client:
        said = {"jsonrpc": "2.0", "id": "asked", "result": {"action": "accept"}}
        answer = await client.post(suite.url(), json=said)
    assert answer.status_code == 401  # it got as far as its token


async def test_a_body_of_2025_too_long_to_look_for_its_id_is_refused_outside(
    databases: Databases, tmp_path: Path
) -> None:
    async with bounded(databases, tmp_path) as suite, flooded(suite), suite.http() as client:
        answer = await client.post(suite.url(), json={"jsonrpc": "2.0", "id": 1, "method": "x" * 70_000})
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_who_waits_too_long_is_refused(databases: Databases, tmp_path: Path) -> None:
    async with bounded(databases, tmp_path, max_wait_s=0.2) as suite, flooded(suite, PLACES) as flood:
        flood.send(WAITING)
        await until(lambda: len(flood.answers) == WAITING)
        assert len(flood.with_status(503)) == WAITING
        assert await refused(suite) == [("overload_wait", WAITING)]


# Bodies


async def begin_call(suite: Suite) -> anyio.abc.SocketStream:
    """A call with a good token, of whose body one byte comes."""
    stream = await anyio.connect_tcp("127.0.0.1", suite.settings.port)
    headers = modern_headers("tools/call", PARAMS) | {
        **{"Host": f"127.0.0.1:{suite.settings.port}", "Authorization": f"Bearer {suite.token()}"},
        **{"Content-Type": "application/json", "Content-Length": "100"},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    await stream.send(f"POST /customers/mcp HTTP/1.1\r\n{lines}\r\n{{".encode())
    return stream


async def everything(stream: anyio.abc.SocketStream) -> str:
    """What comes until the other side closes."""
    received = b""
    with anyio.fail_after(20):
        try:
            while True:
                received += await stream.receive()
        except anyio.EndOfStream:
            return received.decode()


async def test_a_body_that_does_not_come_is_not_waited_for(databases: Databases, tmp_path: Path) -> None:
    async with bounded(databases, tmp_path, body_timeout_s=0.2) as suite, await begin_call(suite) as stream:
        answer = await everything(stream)
        await until(lambda: suite.parts.pressure.in_flight == 0)
    assert answer.startswith("HTTP/1.1 408 ")
    assert "connection: close" in answer.lower()


async def test_slow_bodies_cannot_take_the_places_of_others(databases: Databases, tmp_path: Path) -> None:
    async with bounded(databases, tmp_path, body_timeout_s=60) as suite:
        desk.may_go.set()
        await suite.post(suite.token(), "tools/call", PARAMS)  # from here on tokens are checked without waiting
        async with AsyncExitStack() as stack:
            slow: list[anyio.abc.SocketStream] = []
            for count in range(1, PLACES // 2 + 1):
                slow.append(await stack.enter_async_context(await begin_call(suite)))
                await until(lambda count=count: suite.parts.pressure.in_flight == count)
            answer = await suite.post(suite.token(), "tools/call", PARAMS)
            assert answer.status_code == 200
            assert (await everything(slow[0])).startswith("HTTP/1.1 408 ")
            await until(lambda: suite.parts.pressure.in_flight == len(slow) - 1)


# The parts


def pressure(**settings: Any) -> Pressure:
    values: dict[str, Any] = {"max_in_flight": 1, "max_waiting": 10, **settings}
    return Pressure(Settings(**values))


async def test_once_the_queue_stands_newcomers_are_given_up_before_those_who_came_in_a_burst() -> None:
    full = pressure(max_wait_s=1)
    assert full.enter_at_once()
    shed: list[str] = []

    async def wait(name: str) -> None:
        try:
            await full.enter()
        except Busy:
            shed.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, "first")
        await anyio.sleep(0.5)
        tasks.start_soon(wait, "burst")
        await until(lambda: bool(shed))
        tasks.start_soon(wait, "newcomer")
    assert shed == ["first", "newcomer", "burst"]


async def test_a_place_goes_to_who_waits_longest_and_is_not_lost_with_who_went_away() -> None:
    full = pressure()
    assert full.enter_at_once()
    served: list[str] = []

    async def wait(name: str) -> None:
        await full.enter()
        served.append(name)

    waiting = {name: asyncio.create_task(wait(name)) for name in ("gone", "going", "first", "second")}
    await anyio.wait_all_tasks_blocked()
    waiting["gone"].cancel()
    await anyio.wait_all_tasks_blocked()
    full.leave()
    waiting["going"].cancel()  # in the moment that it is given the place
    await anyio.wait_all_tasks_blocked()
    assert (served, full.in_flight, full.waiting) == (["first"], 1, 1)
    full.leave()
    await waiting["second"]
    assert served == ["first", "second"]
    full.leave()
    assert full.in_flight == 0


async def test_a_call_that_waits_for_a_person_leaves_its_place_to_others() -> None:
    full = pressure(max_streams=1)
    assert full.enter_at_once()
    with full.aside():
        assert (full.in_flight, full.streams) == (0, 1)
        assert full.enter_at_once()
        with pytest.raises(Busy), full.aside():
            pass
        assert (full.in_flight, full.streams) == (1, 1)
    assert (full.in_flight, full.streams) == (2, 0)  # one too many, for a moment
    full.leave()
    assert not full.enter_at_once()


async def test_it_is_pressed_when_a_fifth_of_the_room_is_left() -> None:
    filling = pressure(max_in_flight=10)
    for taken in range(10):
        assert filling.pressed() == (taken >= 8)
        assert filling.enter_at_once()
    assert not filling.enter_at_once()


async def test_it_is_pressed_while_the_event_loop_is_late() -> None:
    idle = pressure()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(idle.run)
        with anyio.fail_after(20):
            while not idle.pressed():
                await anyio.sleep(0.005)
                time.sleep(0.3)  # noqa: ASYNC251 - to block the loop is the point
            while idle.pressed():
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("stream", [{"method": "GET"}, {"headers": {"Mcp-Method": "subscriptions/listen "}}])
async def test_streams_have_a_bound_of_their_own(suite: Suite, stream: dict[str, Any]) -> None:
    settings = Settings(max_in_flight=1, max_waiting=0, max_streams=2)
    opened, end = anyio.Semaphore(0), anyio.Event()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        opened.release()
        await end.wait()
        await PlainTextResponse("over")(scope, receive, send)

    gate = Gate(held, "customers", Pressure(settings), Refusals(suite.parts.writer), settings)
    asked: dict[str, Any] = {"method": "POST", "url": "http://test/", **stream}
    asked["headers"] = {**asked.get("headers", {}), "MCP-Protocol-Version": "2026-07-28"}
    answers: list[int] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate)) as client, anyio.create_task_group() as tasks:

        async def ask(**how: Any) -> None:
            answers.append((await client.request(**how)).status_code)

        with anyio.fail_after(20):
            tasks.start_soon(lambda: ask(**asked))
            tasks.start_soon(lambda: ask(**asked))
            await opened.acquire()
            await opened.acquire()
            await ask(**asked)
            assert answers == [HTTPStatus.SERVICE_UNAVAILABLE]
            tasks.start_soon(lambda: ask(method="POST", url="http://test/", json=modern("tools/list", {})))
            await opened.acquire()  # there is still a place for a call
            end.set()
    assert sorted(answers) == [200, 200, 200, 503]
