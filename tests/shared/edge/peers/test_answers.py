"""What another server may answer, and what becomes of it: whatever it is, it is bounded, typed, and said to be its."""

from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import anyio
import orjson
import pytest
import uvicorn
from pydantic import BaseModel, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from shared.core.delegation import NOBODY, OnBehalf
from shared.core.errors import (
    CannotAsk,
    CannotDelegate,
    Conflict,
    Denied,
    Failure,
    Forbidden,
    Invalid,
    Misconfigured,
    NotFound,
    RateLimited,
    StepUp,
    Unavailable,
)
from shared.core.labels import Label
from shared.core.peers import Asking, Peer
from shared.core.settings import Settings
from shared.edge.peers import open_peers
from shared.edge.peers.asked import WHOLE_BYTES
from tests.loopback import tcp_listener

pytestmark = pytest.mark.anyio

URI = "doc://handbook/one.md"


class Thing(BaseModel):
    name: str


@dataclass
class Tokens:
    """Gives out tokens, and remembers for what."""

    asked: list[tuple[str, tuple[str, ...], bool]] = field(default_factory=list[tuple[str, tuple[str, ...], bool]])
    granted: frozenset[str] = frozenset({"back:read"})

    async def token(self, resource: str, scopes: Sequence[str], *, instead_of: SecretStr | None = None) -> SecretStr:
        self.asked.append((resource, tuple(scopes), instead_of is not None))
        return SecretStr(f"token-{len(self.asked)}")


Say = Callable[[dict[str, Any]], Response]
Seen = tuple[dict[str, str], dict[str, Any]]


@dataclass
class Back:
    """The other server: answers as it is told, and remembers what it was sent."""

    url: str = ""
    answers: list[Say] = field(default_factory=list[Say])
    seen: list[Seen] = field(default_factory=list[Seen])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = orjson.loads(await request.body())
        self.seen.append((dict(request.headers), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await answer(body)(scope, receive, send)

    def says(self, result: dict[str, Any] | None = None, status: int = 200, **more: Any) -> None:
        """Answer with a result, or whatever `more` is; once more than what it was told before."""

        def answer(body: dict[str, Any]) -> Response:
            whole = {"jsonrpc": "2.0", "id": body["id"], **({"result": result} if result is not None else {}), **more}
            return Response(orjson.dumps(whole), status, media_type="application/json")

        self.answers.append(answer)

    def sends(self, content: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.answers.append(lambda _: Response(content, status, headers, kind))


@pytest.fixture
async def back() -> AsyncGenerator[Back]:
    there = Back()
    listener = tcp_listener()
    there.url = f"http://127.0.0.1:{listener.getsockname()[1]}/back/mcp"
    server = uvicorn.Server(uvicorn.Config(there, lifespan="off", log_config=None, access_log=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        while not server.started:
            await anyio.lowlevel.checkpoint()
        yield there
        server.should_exit = True


@dataclass
class World:
    back: Back
    tokens: Tokens
    labels: set[Label]
    make: Callable[..., Peer]

    async def ask(self) -> Thing:
        return await self.make().call("look", {"at": "it"}, Thing)


@pytest.fixture
async def world(back: Back) -> AsyncGenerator[World]:
    async with AsyncExitStack() as stack:
        settings = Settings(peers={"back": back.url}, peer_resources={"back": "https://mcp.example/back/mcp"})
        opened = await stack.enter_async_context(open_peers(settings))
        labels: set[Label] = set()
        tokens = Tokens()

        def make(on_behalf: OnBehalf = tokens, scopes: tuple[str, ...] = ("front:read", "back:read")) -> Peer:
            return opened.asked_by("front").of(Asking(on_behalf, scopes, labels, "req_1"))("back")

        yield World(back, tokens, labels, make)


async def test_one_post_says_all_that_the_other_server_needs(world: World) -> None:
    world.back.says({"structuredContent": {"name": "it", "more": 1}})
    assert (await world.ask()).name == "it"
    ((headers, body),) = world.back.seen
    assert world.tokens.asked == [("https://mcp.example/back/mcp", ("back:read",), False)]
    assert headers["authorization"] == "Bearer token-1"
    assert (headers["mcp-protocol-version"], headers["mcp-method"], headers["mcp-name"]) == (
        "2026-07-28", "tools/call", "look",
    )  # fmt: skip
    assert body["id"] == "req_1"
    assert body["params"]["arguments"] == {"at": "it"}


def told(code: str, **details: Any) -> dict[str, Any]:
    error = {"code": code, "message": "no «wonder»", "retryable": False, "reference": "req_9", "details": details}
    return {"isError": True, "structuredContent": {"error": error}}


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        ("invalid", {}, Invalid),
        ("not_found", {}, NotFound),
        ("conflict", {}, Conflict),
        ("key_reused", {}, Conflict),
        ("denied", {"reason": "because"}, Denied),
        ("suspended", {}, Denied),
        ("forbidden", {"required_scopes": ["back:pii"]}, Forbidden),
        ("forbidden", {"required_scopes": ["back:read"]}, Denied),
        ("forbidden", {"required_scopes": "back:pii"}, Denied),
        ("step_up", {"acr_values": "aal2", "max_age_s": 60}, StepUp),
        ("rate_limited", {"retry_after_s": 2.5}, RateLimited),
        ("loop_detected", {"retry_after_s": "soon"}, RateLimited),
        ("timeout", {}, Unavailable),
        ("internal", {}, Unavailable),
        ("never heard of", {}, Unavailable),
    ],
)
async def test_a_failure_comes_back_as_it_was_meant(
    world: World, code: str, details: dict[str, Any], kind: type[Failure]
) -> None:
    world.back.says(told(code, **details))
    with pytest.raises(Failure) as refused:
        await world.ask()
    assert type(refused.value) is kind
    assert refused.value.message.startswith("Back ")
    assert len(world.back.seen) == 1


async def test_a_failure_behind_an_http_status_is_typed_too(world: World) -> None:
    data = told("forbidden", required_scopes=["back:pii"])["structuredContent"]["error"]
    world.back.says(status=403, error={"code": 403, "message": "no", "data": data})
    with pytest.raises(Forbidden) as refused:
        await world.ask()
    assert refused.value.scopes == ("back:pii",)
    world.back.answers.clear()
    data = told("step_up", acr_values="aal2", max_age_s=60)["structuredContent"]["error"]
    world.back.says(status=401, error={"code": 401, "message": "no", "data": data})
    with pytest.raises(StepUp) as asked:
        await world.ask()
    assert (asked.value.acr, asked.value.max_age_s) == ("aal2", 60)


async def test_a_limit_is_the_callers_own_and_nobody_else_waits_for_it(world: World) -> None:
    data = told("rate_limited", retry_after_s=30, limit="calls")["structuredContent"]["error"]
    limited = orjson.dumps({"jsonrpc": "2.0", "id": "req_1", "error": {"code": 429, "message": "no", "data": data}})
    world.back.sends(limited, 429, **{"Retry-After": "30"})
    world.back.says({"structuredContent": {"name": "it"}})
    with pytest.raises(RateLimited) as refused:
        await world.ask()
    assert refused.value.retry_after_s == 30
    assert (await world.ask()).name == "it"


async def test_what_is_not_offered_there_is_denied_and_names_the_server(world: World) -> None:
    world.back.says(status=400, error={"code": -32602, "message": "Unknown tool: look", "data": {"reference": "r"}})
    with pytest.raises(Denied, match="Back does not offer that"):
        await world.ask()


async def test_a_token_that_is_not_accepted_is_had_anew_once(world: World) -> None:
    world.back.sends(b'{"error": "invalid_token"}', 401)
    world.back.says({"structuredContent": {"name": "it"}})
    assert (await world.ask()).name == "it"
    assert [again for _, _, again in world.tokens.asked] == [False, True]
    assert world.back.seen[1][0]["authorization"] == "Bearer token-2"
    world.back.answers.clear()
    world.back.seen.clear()
    world.back.sends(b'{"error": "invalid_token"}', 401)
    with pytest.raises(CannotDelegate, match="Back does not accept"):
        await world.ask()
    assert len(world.back.seen) == 2


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/json"),
        (b"<html>", "text/html"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"jsonrpc": "2.0", "id": "req_2", "result": {"structuredContent": {"name": "it"}}}', "application/json"),
        (b'{"jsonrpc": "1.0", "id": "req_1", "result": {"structuredContent": {"name": "it"}}}', "application/json"),
        (b'{"jsonrpc": "2.0", "id": "req_1", "result": {"structuredContent": {"name": 1}}}', "application/json"),
        (b'{"jsonrpc": "2.0", "id": "req_1", "result": {"structuredContent": null}}', "application/json"),
        (b'{"jsonrpc": "2.0", "id": "req_1", "result": {"isError": true}}', "application/json"),
        (b'{"jsonrpc": "2.0", "id": "req_1"}', "application/json"),
        (b'{"name": "' + b"x" * (8 * 2**20) + b'"}', "application/json"),
    ],
    ids=["empty", "html", "broken", "list", "another id", "another protocol", "another shape", "nothing", "no failure",
         "no result", "too long"],
)  # fmt: skip
async def test_what_is_no_answer_is_an_outage(world: World, content: bytes, kind: str) -> None:
    world.back.sends(content, kind=kind)
    with pytest.raises(Unavailable, match="Back does not answer as it should"):
        await world.ask()


async def test_nobody_is_followed_elsewhere_with_a_token(world: World) -> None:
    world.back.sends(b"", 307, Location="http://127.0.0.1:1/")
    with pytest.raises(Unavailable):
        await world.ask()
    assert len(world.back.seen) == 1


async def test_a_server_that_wants_to_ask_the_user_cannot(world: World) -> None:
    world.back.says({"resultType": "input_required", "inputRequests": {}})
    with pytest.raises(CannotAsk):
        await world.ask()


async def test_a_server_that_is_down_is_left_alone_for_a_while(world: World) -> None:
    world.back.sends(b"", 502)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await world.ask()
    asked = len(world.back.seen)
    with pytest.raises(Unavailable, match="Back failed again and again"):
        await world.ask()
    assert asked == len(world.back.seen) == 5


async def test_where_no_server_is_the_setting_is_named(world: World) -> None:
    world.back.sends(b"Not Found", 404, "text/plain")
    with pytest.raises(CannotDelegate, match="SUITE_PEERS__BACK"):
        await world.ask()


async def test_without_a_token_nothing_is_sent(world: World) -> None:
    with pytest.raises(CannotDelegate, match="stdio"):
        await world.make(NOBODY).call("look", {}, Thing)
    assert world.back.seen == []


async def test_the_token_is_for_what_the_caller_holds_of_what_the_tool_declares(world: World) -> None:
    world.back.says({"structuredContent": {"name": "it"}})
    tokens = Tokens(granted=frozenset({"back:read", "back:admin"}))
    peer = world.make(tokens, ("back:write", "back:read", "other:read"))
    await peer.call("look", {}, Thing)
    nothing = Tokens(granted=frozenset())
    await world.make(nothing, ("back:write", "back:read")).call("look", {}, Thing)
    assert [scopes for _, scopes, _ in (*tokens.asked, *nothing.asked)] == [("back:read",), ("back:write",)]
    with pytest.raises(Misconfigured):
        world.make(tokens, ("front:read",))


def contents(meta: dict[str, Any] | None = None, uri: str = URI, **held: Any) -> dict[str, Any]:
    return {"contents": [{"uri": uri, "mimeType": "text/plain", **held}], "_meta": meta or {}}


async def read(world: World) -> Any:
    return await world.make().read(URI)


async def test_a_long_resource_is_read_to_its_end(world: World) -> None:
    def facts(cut: dict[str, Any] | None) -> dict[str, Any]:
        return {"enterprise-mcp-suite/contents": {"digest": "d", "title": "One", "cut": cut}}

    rest = f"{URI}?offset=3"
    cut = {"start": 0, "shown": 3, "total": 6, "rest": rest}
    world.back.says(contents({**facts(cut), "enterprise-mcp-suite/labels": ["confidential"]}, blob="AAEC"))
    world.back.says(contents(facts(None), rest, blob="AwQF"))
    whole = await read(world)
    assert (whole.data, whole.facts) == (bytes(range(6)), {"digest": "d", "title": "One"})
    assert whole.labels == world.labels == {Label.CONFIDENTIAL}
    assert [body["params"]["uri"] for _, body in world.back.seen] == [URI, rest]


async def test_what_changed_while_it_was_read_is_not_put_together(world: World) -> None:
    cut = {"start": 0, "shown": 3, "total": 6, "rest": f"{URI}?offset=3"}
    world.back.says(contents({"enterprise-mcp-suite/contents": {"digest": "one", "cut": cut}}, text="abc"))
    world.back.says(contents({"enterprise-mcp-suite/contents": {"digest": "two"}}, f"{URI}?offset=3", text="def"))
    with pytest.raises(Conflict, match="was changed while"):
        await read(world)


async def test_a_resource_without_end_is_given_up(world: World) -> None:
    cut = {"start": 0, "shown": 3, "total": 6, "rest": URI}
    piece = b64encode(bytes(4 * 2**20)).decode()
    world.back.says(contents({"enterprise-mcp-suite/contents": {"digest": "d", "cut": cut}}, blob=piece))
    with pytest.raises(Invalid, match=str(WHOLE_BYTES)):
        await read(world)
    assert len(world.back.seen) == 5


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"contents": []},
        {"contents": [{"uri": URI, "text": "a"}, {"uri": URI, "text": "b"}]},
        contents(uri="doc://handbook/other.md", text="a"),
        contents(),
        contents(text="a", blob="AAEC"),
        contents(blob="no base64"),
        contents({"enterprise-mcp-suite/labels": ["of a newer server"]}, text="a"),
        contents({"enterprise-mcp-suite/contents": {"cut": {"rest": 1}}}, text="a"),
    ],
    ids=["nothing", "none", "two", "another", "empty", "both", "no base64", "unknown label", "spoilt cut"],
)
async def test_contents_that_are_none_are_an_outage(world: World, result: dict[str, Any]) -> None:
    world.back.says(result)
    with pytest.raises(Unavailable):
        await read(world)


async def test_a_resource_that_is_not_there_is_not_found(world: World) -> None:
    world.back.says(status=400, error={"code": -32602, "message": "Resource not found", "data": {"uri": URI}})
    with pytest.raises(NotFound, match="Back has no such resource"):
        await read(world)


@pytest.mark.parametrize("url", ["http://mcp.example/back/mcp", "ftp://mcp.example/", "https://me:pw@mcp.example/mcp"])
def test_a_url_that_would_show_tokens_to_others_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="peers: of back"):
        Settings(peers={"back": url})


async def test_the_default_url_is_refused_likewise() -> None:
    async with open_peers(Settings(public_url="http://mcp.example")) as opened:
        peer = opened.asked_by("front").of(Asking(Tokens(), ("back:read",), set(), "req_1"))("back")
        with pytest.raises(CannotDelegate, match="must be https"):
            await peer.call("look", {}, Thing)
