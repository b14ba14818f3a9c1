"""What is one user's stays theirs, at every replica and under load."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx
import pytest
from mcp.client.subscriptions import ResourceUpdated

from tests.e2e.balanced.talk import ANY, Named, Talk, named, talking
from tests.e2e.fleet import Drill

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:resources/subscribe is removed"),  # in the other era
]

USERS = ("manager", "admin", "support", "outsider")
ROUNDS = 8
TRIES = 15
"""At most, until each of three replicas was asked: a late request of an earlier test may take a turn."""


async def refused_everywhere(talk: Talk, ask: Callable[[], Any]) -> None:
    """Whether nobody knows of the session."""
    began = len(talk.answered)
    for _ in range(TRIES):
        answer: httpx.Response = await ask()
        assert answer.status_code == 404
        if {each.number for each in talk.answered[began:]} == {1, 2, 3}:
            return
    pytest.fail("not every replica was asked")


@pytest.mark.parametrize(
    ("persona", "claims"),
    [
        pytest.param("admin", {}, id="another user"),
        pytest.param("outsider", {}, id="another tenant"),
        pytest.param("manager", {"client_id": "another"}, id="another client of the same user"),
    ],
)
async def test_the_session_of_somebody_else_is_found_at_no_replica(
    drill: Drill, persona: str, claims: dict[str, Any]
) -> None:
    async with talking(drill, "manager") as owner, talking(drill, persona, **claims) as thief:
        await owner.client.initialize()
        client = thief.client
        client.session = owner.client.session
        with anyio.fail_after(30):
            await refused_everywhere(thief, lambda: client.post(ANY, client.tool("echo", text="mine?")))
            await refused_everywhere(thief, lambda: client.get(ANY))
            await refused_everywhere(thief, lambda: client.get(ANY, **{"Last-Event-ID": "0123456789abcdef/1-1"}))
            await refused_everywhere(thief, lambda: client.delete(ANY))
            assert await owner.client.call(ANY, "echo", text="mine") == {"text": "mine"}


class Crossed:
    """One client that says what nobody else says, and notes what it hears of others.

    Attributes:
        strange: What was not for it.
    """

    def __init__(self, number: int, who: Named) -> None:
        self.label = f"client-{number}"
        self.uri = f"drill://things/{self.label}"
        self.strange: list[str] = []
        self.progress = 0
        self.heard = 0
        self._who, self._steps = who, 10 + number

    async def work(self) -> None:
        for number in range(ROUNDS):
            await self._expect("echo", {"text": f"{self.label} {number}"}, {"text": f"{self.label} {number}"})
            await self._expect("greet", {}, {"text": f"Hello {self.label}, well"})
            await self._expect("stamp", {"to": self._steps, "label": self.label}, {"to": self._steps})
            await self.put(f"round-{number}")

    async def put(self, value: str) -> None:
        new = {"id": self.label, "value": f"{self.label} {value}"}
        await self._expect("put", {**new, "idempotency_key": f"{self.label}-{value}"}, new)

    async def _expect(self, tool: str, arguments: dict[str, Any], expected: dict[str, Any]) -> None:
        answer = await self._who.client.call_tool(tool, arguments, progress_callback=self._told)
        if answer.structured_content != expected:
            self.strange.append(f"{tool}: {answer.structured_content}")

    async def _told(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress += 1
        if total != self._steps or (message or "").split()[0] != self.label:
            self.strange.append(f"progress: {progress} of {total}: {message}")

    def hears(self, uri: str) -> None:
        self.heard += 1
        if uri != self.uri:
            self.strange.append(f"notice: {uri}")


async def listen(of: Crossed, who: Named, tasks: anyio.abc.TaskGroup, stack: AsyncExitStack) -> None:
    """Hear of one's own thing alone, in the way of the client's era."""
    await of.put("first")
    if who.client.protocol_version != "2026-07-28":
        await who.client.subscribe_resource(of.uri)  # pyright: ignore[reportDeprecated]
        return
    events = await stack.enter_async_context(who.client.listen(resource_subscriptions=[of.uri]))

    async def follow() -> None:
        async for event in events:
            of.hears(event.uri if isinstance(event, ResourceUpdated) else repr(event))

    tasks.start_soon(follow)


async def test_under_load_nobody_hears_what_is_meant_for_another(drill: Drill, show: Callable[..., None]) -> None:
    eras = [(user, era) for user in USERS for era in ("legacy", "modern", "legacy" if user < "n" else "modern")]
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(anyio.create_task_group())
        crowd: list[tuple[Crossed, Named]] = []
        for number, (user, era) in enumerate(eras):
            who = await stack.enter_async_context(named(drill, f"client-{number}", era, user))
            crowd.append((Crossed(number, who), who))
        with anyio.fail_after(60):
            for crossed, who in crowd:
                await listen(crossed, who, tasks, stack)
            async with anyio.create_task_group() as working:
                for crossed, _ in crowd:
                    working.start_soon(crossed.work)
            for crossed, who in crowd:
                while crossed.heard + len(who.heard) < 1:
                    await anyio.sleep(0.01)
        for crossed, who in crowd:
            for uri in who.heard:
                crossed.hears(uri)
        tasks.cancel_scope.cancel()
    assert [crossed.strange for crossed, _ in crowd if crossed.strange] == []
    assert [crossed.progress for crossed, _ in crowd] == [ROUNDS * (10 + number) for number in range(len(crowd))]
    replicas = [{each.number for each in who.answered} for _, who in crowd]
    assert replicas == [{1, 2, 3}] * len(crowd)
    steps = sum(crossed.progress for crossed, _ in crowd)
    show(
        f"{len(crowd)} clients of {len(USERS)} users, both eras: {steps} steps of progress, and every notice, their own"
    )
