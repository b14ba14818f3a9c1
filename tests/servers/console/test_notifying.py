"""Those who approve are told by mail and by webhook: once if all goes well, more often if not, and never too much."""

import base64
import hmac
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from compose.smtp.sink import Sink, open_sink
from servers.console.notifying.working import Notifier, open_notifier
from shared.core.background import Background
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.edge.outbound.webhooks import open_webhooks, signed
from tests.harness import Databases, Suite, open_suite
from tests.loopback import tcp_listener
from tests.servers.console.asking import LETTER, ask, asked
from tests.servers.console.letters import server as letters

pytestmark = pytest.mark.anyio

OLD, NEW = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
STEPS_MAX = 40


@dataclass
class Receiver:
    """Somebody's program that webhooks are sent to."""

    url: str = ""
    statuses: list[int] = field(default_factory=list[int])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        self.got.append((dict(request.headers), await request.body()))
        status = self.statuses.pop(0) if self.statuses else 204
        await Response(status_code=status, headers={"Location": self.url})(scope, receive, send)


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    listener = tcp_listener()
    receiver.url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook?of=acme"
    server = uvicorn.Server(uvicorn.Config(receiver, lifespan="off", log_config=None, access_log=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        while not server.started:
            await anyio.lowlevel.checkpoint()
        yield receiver
        server.should_exit = True


@dataclass
class World:
    suite: Suite
    receiver: Receiver
    sink: Sink
    notifier: Notifier

    async def until_quiet(self) -> None:
        """Have all told that is due, without waiting for what is put off."""
        for _ in range(STEPS_MAX):
            if await self.notifier.turn():
                return
        raise AssertionError("it never ends")

    async def waiting(self) -> int:
        left = "SELECT count(*) FROM suite.approval_queue WHERE task LIKE 'tell_%' AND due_at <= now() + interval '1 h'"
        return (await self.suite.sql(left))[0][0]

    async def make_due(self, task: str) -> None:
        await self.suite.sql("UPDATE suite.approval_queue SET due_at = now(), lease = NULL WHERE task = $1", task)


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncGenerator[World]:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(receiving())
        sink = await stack.enter_async_context(open_sink(None))
        told = {
            **{"mail_to": "boss@acme.example deputy@acme.example", "mail_from": "console@acme.example"},
            **{"webhook_url": receiver.url, "webhook_secrets": f"{NEW} {OLD}"},
        }
        settings: dict[str, Any] = {"smtp": {"host": "127.0.0.1", "port": sink.port, "security": "none"}}
        opening = open_suite(
            await databases.fresh(), tmp_path, databases.admin_url, served=[letters], notify={"acme": told}, **settings
        )
        suite = await stack.enter_async_context(opening)
        background = Background(suite.parts.database, suite.parts.stores.notices.publish, settings=suite.settings)  # pyright: ignore[reportArgumentType]
        notifier = await stack.enter_async_context(open_notifier(background))
        yield World(suite, receiver, sink, notifier)


def verified(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """Whether one of the signatures is by this secret, worked out as the standard says."""
    content = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, content, sha256).digest()).decode()
    return f"v1,{expected}" in headers["webhook-signature"].split()


async def test_approvers_are_told_once_what_kind_of_call_waits_and_where(world: World) -> None:
    approval = await asked(world.suite)
    await world.until_quiet()
    ((headers, body),) = world.receiver.got
    assert verified(headers, body, NEW)
    assert verified(headers, body, OLD)
    assert not verified(headers, body + b" ", NEW)
    told = orjson.loads(body)
    assert (told["type"], headers["webhook-id"]) == ("approval.asked", f"{approval}.asked")
    assert told["data"]["review_url"] == f"{world.suite.settings.base_url}/console/approvals/{approval}"
    assert (told["data"]["server"], told["data"]["tool"]) == ("letters", "send_letter")
    (mail,) = world.sink.mails
    assert mail.recipients == ("boss@acme.example", "deputy@acme.example")
    assert mail.message_id == f"<{approval.lower()}.asked@acme.example>"
    assert told["data"]["review_url"] in mail.message.get_content()
    assert "acme-support-agent" in mail.message.get_content()
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert await world.waiting() == 0


async def test_nothing_of_what_is_to_be_approved_leaves(world: World) -> None:
    await asked(world.suite, subject="Secret merger", text="Call Ada on +49 30 1234567.")
    await world.until_quiet()
    everything = b"".join((*(body for _, body in world.receiver.got), *(mail.content for mail in world.sink.mails)))
    for word in (b"Secret", b"Ada", b"1234567", LETTER["to"][0].encode(), b"customer.example"):
        assert word not in everything


async def test_what_was_not_taken_is_sent_again_with_the_same_id_and_nothing_else_is(world: World) -> None:
    world.receiver.statuses += [500, 307, 204]
    await asked(world.suite)
    for _ in range(3):
        await world.until_quiet()
        await world.make_due("tell_asked")
    await world.until_quiet()
    assert len({headers["webhook-id"] for headers, _ in world.receiver.got}) == 1
    assert len({body for _, body in world.receiver.got}) == 1
    assert len(world.receiver.got) == 3
    assert len(world.sink.mails) == 1
    assert await world.waiting() == 0


async def test_an_outage_of_the_relay_holds_up_no_webhook(world: World) -> None:
    await world.sink.stop()
    await asked(world.suite)
    await world.until_quiet()
    assert (len(world.receiver.got), len(world.sink.mails)) == (1, 0)
    await world.sink.start()
    await world.make_due("tell_asked")
    await world.until_quiet()
    assert (len(world.receiver.got), len(world.sink.mails)) == (1, 1)


async def test_escalation_and_the_end_of_time_are_told_too_and_what_was_given_up_is_not(world: World) -> None:
    approval = await asked(world.suite)
    await world.suite.sql(
        "INSERT INTO suite.approval_queue (tenant_id, approval_id, server, task, due_at) "
        "VALUES ('acme', $1, 'letters', 'tell_escalated', now())",
        approval,
    )
    await world.make_due("tell_expiring")
    await world.until_quiet()
    assert {orjson.loads(body)["type"] for _, body in world.receiver.got} == {
        "approval.asked",
        "approval.escalated",
        "approval.expiring",
    }
    assert len({mail.message_id for mail in world.sink.mails}) == 3
    again = await asked(world.suite, subject="Another")
    await world.suite.sql("UPDATE suite.approvals SET state = 'cancelled', finished_at = now() WHERE id = $1", again)
    await world.until_quiet()
    assert len(world.receiver.got) == 3
    assert await world.waiting() == 0


async def test_a_receiver_that_is_gone_is_left_alone(world: World) -> None:
    world.receiver.statuses += [410]
    await asked(world.suite)
    await world.until_quiet()
    assert (len(world.receiver.got), await world.waiting()) == (1, 0)


async def test_who_asked_is_told_nothing_by_this_and_nobody_elses_tenant_is(world: World) -> None:
    answer = await ask(world.suite, persona="outsider")
    assert "error" in answer
    await world.until_quiet()
    assert world.receiver.got == []


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("https://127.0.0.1:1/hook", False),
        ("https://10.0.0.1/hook", False),
        ("https://169.254.169.254/latest", False),
        ("https://169.254.169.254/latest", True),
        ("https://[::ffff:169.254.169.254]/", False),
        ("http://10.0.0.1/hook", True),
    ],
)
async def test_addresses_that_nobody_meant_are_not_reached(url: str, *, inside: bool) -> None:
    async with open_webhooks() as webhooks:
        with anyio.fail_after(5):
            assert await webhooks.send(url, [b"k" * 32], "id", b"{}", inside=inside) == "later"


def test_a_signature_is_as_the_standard_has_it() -> None:
    """The example of the specification's own reference libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_url": "http://hooks.example/"},
        {"webhook_url": "https://hooks.example/"},
        {"webhook_url": "https://hooks.example/", "webhook_secrets": "whsec_short"},
        {"webhook_url": "https://hooks.example/", "webhook_secrets": OLD.removeprefix("whsec_")},
        {"mail_to": "boss@acme.example"},
        {"mail_to": "Boss <boss@acme.example>", "mail_from": "console@acme.example"},
    ],
    ids=["plain", "unsigned", "short", "no prefix", "from nobody", "with a name"],
)
def test_settings_that_nobody_could_trust_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="notify of acme"):
        Settings(notify={"acme": wrong})  # pyright: ignore[reportArgumentType]
