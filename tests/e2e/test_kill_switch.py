"""The kill switch over two replicas, with Redis between them and without: what is stopped is stopped everywhere."""

import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from shared.state.embedded_redis import EmbeddedRedis
from tests.clients.local import Local
from tests.clients.wire import wired
from tests.conversation import Conversation
from tests.harness import LEGACY, Databases, Suite, modern, modern_headers, open_suite
from tests.listening import LISTEN, listening
from tests.shell import Shell, keep_logs

pytestmark = pytest.mark.anyio

WITHIN_S = 5.0
"""One second is promised; machines that run tests may be busy."""
SUBJECT = "acme-sales-manager"
WHY = ("--reason", "a leak")
HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}

Show = Callable[..., None]


@dataclass
class Replicas:
    """Two of them, and an operator.

    Attributes:
        folder: Where all of them keep their keys.
    """

    each: list[Suite]
    shell: Shell
    folder: Path

    def token(self, **claims: Any) -> str:
        given = {"jti": secrets.token_hex(8), "sid": secrets.token_hex(8), **claims}
        return self.each[0].token("manager", **given)

    async def ask(self, at: int, token: str, method: str, params: dict[str, Any]) -> httpx.Response:
        host = self.each[0].settings.base_url.partition("//")[2]
        headers = modern_headers(method, params) | {"Authorization": f"Bearer {token}", "Host": host}
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            url = f"http://127.0.0.1:{self.each[at].settings.port}/customers/mcp"
            return await http.post(url, json=modern(method, params), headers=headers)

    async def call(self, at: int, token: str, tool: str = "get_customer") -> str | int:
        """What becomes of a call, in one word or code."""
        arguments = {"customer_id": "C-000001"} if tool == "get_customer" else {"query": "an"}
        answer = await self.ask(at, token, "tools/call", {"name": tool, "arguments": arguments})
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            return answer.json()["error_description"]
        body = answer.json()
        if "error" in body:
            data: dict[str, Any] = body["error"].get("data") or {}
            return data.get("code", body["error"]["code"])
        return body["result"]["structuredContent"].get("error", {}).get("code", "ok")

    async def tools(self, at: int, token: str) -> set[str]:
        answer = (await self.ask(at, token, "tools/list", {})).json()
        return {tool["name"] for tool in answer["result"]["tools"]}

    async def becomes(self, wanted: Callable[[str | int], bool], token: str, tool: str = "get_customer") -> None:
        """Return once that is what becomes of a call at both."""

        async def wait(at: int) -> None:
            while not wanted(await self.call(at, token, tool)):
                await anyio.sleep(0.01)

        with anyio.fail_after(WITHIN_S):
            async with anyio.create_task_group() as tasks:
                for at in range(2):
                    tasks.start_soon(wait, at)

    async def took(self, *words: str, wanted: Callable[[str | int], bool], token: str, tool: str) -> float:
        """Seconds from when the command wrote its record until the last replica obeyed."""
        ended = 0.0

        async def wait() -> None:
            nonlocal ended
            await self.becomes(wanted, token, tool)
            ended = time.time()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await self.shell.does(*words)
        ((began,),) = await self.each[0].sql(
            "SELECT extract(epoch FROM max(at))::float8 FROM suite.audit WHERE kind = 'switch'"
        )
        return ended - began

    async def lift(self) -> None:
        off = await self.each[0].sql("SELECT id FROM suite.switches WHERE expires_at IS NULL OR expires_at > now()")
        if off:
            await self.shell.does("resume", *(str(row["id"]) for row in off), "--reason", "it was a test")


@asynccontextmanager
async def open_replicas(databases: Databases, folder: Path, redis_url: str | None) -> AsyncGenerator[Replicas]:
    urls = await databases.fresh()
    async with AsyncExitStack() as stack:
        each: list[Suite] = []
        for _ in range(2):
            name: dict[str, Any] = {"public_url": each[0].settings.base_url} if each else {}
            opening = open_suite(urls, folder, databases.admin_url, redis_url=redis_url, **name)
            each.append(await stack.enter_async_context(opening))
        yield Replicas(each, Shell.beside(urls, folder, redis_url), folder)


@pytest.fixture(scope="module", params=["with Redis", "without Redis"])
async def running(
    request: pytest.FixtureRequest,
    databases: Databases,
    redis_server: EmbeddedRedis,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Replicas]:
    redis_url = redis_server.url if request.param == "with Redis" else None
    async with open_replicas(databases, tmp_path_factory.mktemp("replicas"), redis_url) as opened:
        yield opened


@pytest.fixture
async def replicas(running: Replicas, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Replicas]:
    keep_logs(monkeypatch)
    yield running
    await running.lift()
    await running.becomes(lambda seen: seen == "ok", running.token())


def is_ok(seen: str | int) -> bool:
    return seen == "ok"


def is_missing(seen: str | int) -> bool:
    return seen == -32602


def is_suspended(seen: str | int) -> bool:
    return seen == "suspended"


def is_revoked(seen: str | int) -> bool:
    return isinstance(seen, str) and "revoked" in seen


@dataclass(frozen=True)
class Case:
    """One caller, and what stops them and nobody else here."""

    words: str
    stopped: Callable[[str | int], bool]
    tenant: str = "acme"
    tool: str = "get_customer"

    @property
    def claims(self) -> dict[str, str]:
        names = ("sub", "client_id", "jti", "sid")
        return {name: f"{name}-{self.words.partition(' ')[0]}" for name in names} | {"tenant": self.tenant}

    @property
    def stop(self) -> list[str]:
        return ["stop", *self.words.format(**self.claims).split(), *WHY]


CALLERS = (
    Case("client {client_id}", is_suspended),
    Case("user {sub} --tenant acme", is_suspended),
    Case("tenant stopped", is_suspended, tenant="stopped"),
    Case("token --jti {jti}", is_revoked),
    Case("login {sid}", is_revoked),
)
THINGS = (
    Case("tool customers.search_customers", is_missing, tool="search_customers"),
    Case("tool customers.get_customer --tenant without-tool", is_missing, tenant="without-tool"),
    Case("server customers --tenant without-server", is_missing, tenant="without-server"),
)


async def test_it_is_obeyed_everywhere_within_a_second_and_lifted_as_fast(replicas: Replicas, show: Show) -> None:
    tokens = {case: replicas.token(**case.claims) for case in (*CALLERS, *THINGS)}
    way = "with Redis" if replicas.shell.env["SUITE_REDIS_URL"] else "without Redis"
    for case, token in tokens.items():
        assert not case.stopped(await replicas.call(0, token, case.tool)), case
        took = await replicas.took(*case.stop, wanted=case.stopped, token=token, tool=case.tool)
        show(f"{case.words} {way}: stopped in {took * 1000:.0f} ms, record included")
        assert took < WITHIN_S
    assert {await replicas.call(at, replicas.token()) for at in range(2)} == {"ok"}
    numbers = [row["id"] for row in await replicas.each[0].sql("SELECT id FROM suite.switches ORDER BY id")]
    for (case, token), number in zip(tokens.items(), numbers, strict=True):
        assert case.stopped(await replicas.call(1, token, case.tool)), case
        if case in {CALLERS[1], THINGS[0]}:
            words = ("resume", str(number), "--reason", "mended")
            took = await replicas.took(*words, wanted=is_ok, token=token, tool=case.tool)
            show(f"{case.words} {way}: lifted in {took * 1000:.0f} ms, record included")
            assert took < WITHIN_S


async def test_what_is_hidden_is_in_no_list_and_the_stopped_get_none(replicas: Replicas) -> None:
    token = replicas.token()
    assert {"get_customer", "merge_customers"} <= await replicas.tools(1, token)
    for name in ("read_customer", "draft_customer_reply", "merge_customers"):
        await replicas.shell.does("stop", "tool", f"customers.{name}", *WHY)
    await replicas.becomes(is_missing, token, "merge_customers")
    for at in range(2):
        assert "merge_customers" not in await replicas.tools(at, token)
        templates = (await replicas.ask(at, token, "resources/templates/list", {})).json()["result"]
        shown = {one["uriTemplate"] for one in templates["resourceTemplates"]}
        assert "customer://{customer_id}/orders" in shown
        assert "customer://{customer_id}" not in shown
        prompts = (await replicas.ask(at, token, "prompts/list", {})).json()["result"]["prompts"]
        assert {prompt["name"] for prompt in prompts} == {"prepare_account_review"}
        read = (await replicas.ask(at, token, "resources/read", {"uri": "customer://C-000001"})).json()
        assert read["error"]["code"] == -32602
    await replicas.shell.does("stop", "tenant", "acme", *WHY)
    await replicas.becomes(is_suspended, token)
    refused = (await replicas.ask(1, token, "tools/list", {})).json()["error"]
    assert (refused["data"]["code"], "a leak" in refused["message"]) == ("suspended", True)


async def test_word_that_never_came_is_made_up_for_by_looking(replicas: Replicas) -> None:
    token = replicas.token()
    redis_url, replicas.shell.env["SUITE_REDIS_URL"] = replicas.shell.env["SUITE_REDIS_URL"], None
    try:
        await replicas.shell.does("stop", "user", SUBJECT, "--tenant", "acme", *WHY)
        await replicas.becomes(is_suspended, token)
    finally:
        replicas.shell.env["SUITE_REDIS_URL"] = redis_url


async def test_a_stop_for_a_time_ends_by_itself(replicas: Replicas) -> None:
    token = replicas.token()
    await replicas.shell.does("stop", "tenant", "acme", "--for", "1s", *WHY)
    await replicas.becomes(is_suspended, token)
    await replicas.becomes(is_ok, token)


async def test_streams_end_and_sessions_of_those_who_are_stopped(replicas: Replicas) -> None:
    """All at the first replica: without Redis a session is known where it was opened."""
    suite = replicas.each[0]
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=20, trust_env=False))

        async def opened(token: str) -> tuple[Conversation, Any, Any]:
            """A session with its GET stream, and a stream of the newer era."""
            conversation = Conversation(replicas.each, token, "customers", http)
            assert (await conversation.initialize(0)).status_code == HTTPStatus.OK
            events = await stack.enter_async_context(conversation.listening(0))
            await anext(events)
            return conversation, events, await stack.enter_async_context(listening(suite, [], token=token))

        callers = {case: await opened(replicas.token(**case.claims)) for case in CALLERS}
        spared, *_ = await opened(replicas.token(client_id="spared"))
        assert len(await suite.parts.stores.sessions.listed()) == len(CALLERS) + 1
        for case, (conversation, events, listener) in callers.items():
            await replicas.shell.does(*case.stop)
            with anyio.fail_after(WITHIN_S):
                await listener.ends()
                assert [said async for said in events if said.message is not None] == []
            answers = [await conversation.post(0, conversation.request("tools/list"))]
            answers.append(await conversation.post(0, conversation.request("initialize", HELLO)))
            of_credentials = case.stopped is is_revoked
            if not of_credentials:
                assert "a leak" in answers[1].json()["error"]["message"]
            seen = [answer.status_code for answer in answers]
            assert seen == [401, 401] if of_credentials else seen[1] == 403
            (record,) = await suite.records(target=LISTEN, subject=case.claims["sub"])
            assert record["ended"] == ("revoked" if of_credentials else "suspended")
        with anyio.fail_after(WITHIN_S):  # those of credentials are nobody's to end: nobody can use them
            while len(left := await suite.parts.stores.sessions.listed()) > 3:
                await anyio.sleep(0.01)
        assert {session.client for session in left} == {"spared", "client_id-token", "client_id-login"}
        assert (await spared.post(0, spared.request("tools/list"))).status_code == HTTPStatus.OK
        ended = {record["client"] for record in await suite.records(target=LISTEN)}
        assert ended == {case.claims["client_id"] for case in CALLERS}
    for session in left:
        await suite.parts.stores.sessions.end(session.tenant, session.handle)


async def test_every_refusal_and_every_change_is_in_the_audit(replicas: Replicas) -> None:
    token = replicas.token()
    await replicas.shell.does("stop", "user", SUBJECT, "--tenant", "acme", "--reason", "left the company")
    await replicas.becomes(is_suspended, token)
    await replicas.lift()
    await replicas.becomes(is_ok, token)
    suite = replicas.each[0]
    changes = [one for one in await suite.records(subject=SUBJECT, tenant="acme") if one["kind"] == "switch"][:2]
    assert [(one["target"], one["reason"]) for one in changes] == [
        ("resume", "it was a test"),
        ("stop", "left the company"),
    ]
    refused = await suite.records(subject=SUBJECT, outcome="suspended")
    assert {one["target"] for one in refused} >= {"get_customer"}
    assert all(changes[1]["at"] < one["at"] for one in refused[:2])
    assert (await suite.verify()).problems == []


Make = Callable[..., Awaitable[Suite]]


async def test_it_survives_restarts(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_logs(monkeypatch)
    urls = await databases.fresh()
    shell = Shell.beside(urls, tmp_path)
    await shell.does("stop", "tool", "customers.get_customer", *WHY)
    for _ in range(2):
        async with open_suite(urls, tmp_path, databases.admin_url, switch_poll_s=5) as suite:
            params = {"name": "get_customer", "arguments": {"customer_id": "C-000001"}}
            answer = await suite.post(suite.token("manager"), "tools/call", params)
            assert answer.json()["error"]["code"] == -32602


async def test_while_the_database_is_away_nobody_slips_through_and_then_it_is_as_it_was(
    own_suite: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_logs(monkeypatch)
    suite = await own_suite()
    shell = Shell.beside(suite.urls, tmp_path)
    await shell.does("stop", "user", SUBJECT, "--tenant", "acme", *WHY)
    one = {"customer_id": "C-000001"}
    with anyio.fail_after(WITHIN_S):
        while (await suite.call("manager", "get_customer", one)).get("error", {}).get("code") != "suspended":
            await anyio.sleep(0.01)
    await suite.allow_connections(allowed=False)
    away = [(await suite.call(persona, "get_customer", one))["error"]["code"] for persona in ("manager", "support")]
    assert away == ["unavailable", "unavailable"]
    assert await suite.call("manager", "get_customer", one) != {}
    await suite.allow_connections(allowed=True)
    with anyio.fail_after(WITHIN_S):
        while "error" in await suite.call("support", "get_customer", one):
            await anyio.sleep(0.01)
    assert (await suite.call("manager", "get_customer", one))["error"]["code"] == "suspended"


async def test_a_process_over_stdio_obeys_a_command_of_another_process(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_logs(monkeypatch)
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    local = Local(await databases.fresh(), folder)
    shell = Shell.beside(local.urls, folder)
    async with wired(local.env, local.errors) as wire:
        await wire.greet()

        async def listed() -> set[str]:
            tools = (await wire.ask("tools/list", {}))["result"]["tools"]
            return {tool["name"] for tool in tools}

        assert "merge_customers" in await listed()
        await shell.does("stop", "tool", "customers.merge_customers", *WHY)
        with anyio.fail_after(WITHIN_S):
            while "merge_customers" in await listed():
                await anyio.sleep(0.2)  # a person over stdio has limits
        await shell.does("stop", "user", "local-user", "--tenant", "acme", *WHY)
        with anyio.fail_after(WITHIN_S):
            while not (refused := await wire.call("get_customer", {"customer_id": "C-000001"})).get("isError"):
                await anyio.sleep(0.2)  # a person over stdio has limits
        assert refused["structuredContent"]["error"]["code"] == "suspended"
