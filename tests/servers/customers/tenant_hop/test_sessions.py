"""What is kept of a session of the 2025 era is there for its owner alone: the session, its streams, its questions."""

from typing import Any
from unittest.mock import ANY, Mock

import anyio
import pytest

from shared.edge.sessions import endpoint
from tests.conversation import Conversation, final
from tests.drill.tools import NAPPING
from tests.servers.customers.tenant_hop.forgetting import changed
from tests.servers.customers.tenant_hop.people import OUTSIDE, OWNER, THIEVES, TWIN, WITHIN_S, seen, suffixed
from tests.servers.customers.tenant_hop.talks import USES, cancel, question, session_tried, stream_tried
from tests.servers.customers.tenant_hop.world import SESSIONS, Hop

pytestmark = pytest.mark.anyio

NAME = {"name": "Ada", "mood": "well"}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("who", THIEVES)
async def test_a_session_of_somebody_else_is_one_that_never_was(hop: Hop, who: str, use: str) -> None:
    stolen, made_up = await session_tried(hop, who, use)
    assert stolen == made_up
    assert (stolen[0], "Session not found" in stolen[1]) == (404, True)


async def test_whatever_a_thief_did_the_session_goes_on(hop: Hop) -> None:
    owner = await hop.person(OWNER).new_talk()
    for who in THIEVES:
        thief = Conversation([hop.suite], hop.person(who).token("drill"), "drill", hop.http, session=owner.session)
        with anyio.fail_after(WITHIN_S):
            for use in USES.values():
                await use(thief)
    assert await owner.call(0, "echo", text="still mine") == {"text": "still mine"}


@pytest.mark.parametrize("who", THIEVES)
async def test_a_stream_of_somebody_else_is_one_that_never_was(hop: Hop, who: str) -> None:
    stolen, made_up = await stream_tried(hop, who)
    assert stolen == made_up
    assert (stolen[0], "no longer kept" in stolen[1]) == (410, True)


@pytest.mark.parametrize("who", [*THIEVES, OWNER])
async def test_a_question_is_answered_by_nobody_but_the_session_that_was_asked(hop: Hop, who: str) -> None:
    """Not by another session of the same owner, either."""
    owner, thief = await hop.person(OWNER).new_talk(), await hop.person(who).new_talk()
    async with owner.streaming(0, owner.tool("greet")) as events:
        asked = await question(events)
        answers = [
            seen(await thief.reply(0, {"id": given}, name="Eve", mood="well"), given)
            for given in (asked["id"], suffixed(asked["id"]))
        ]
        assert answers[0] == answers[1]
        assert answers[0][:2] == (202, "")
        await owner.reply(0, asked, **NAME)
        with anyio.fail_after(WITHIN_S):
            answer = await final(events)
    assert answer["result"]["structuredContent"] == {"text": "Hello Ada, well"}


@pytest.mark.parametrize("who", THIEVES)
async def test_a_call_is_cancelled_by_nobody_but_its_session(hop: Hop, who: str) -> None:
    owner, thief = await hop.person(OWNER).new_talk(), await hop.person(who).new_talk()
    message, answers = owner.tool("nap", seconds=0.2), list[dict[str, Any]]()

    async def nap() -> None:
        answers.append((await owner.post(0, message)).json())

    with anyio.fail_after(WITHIN_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(nap)
            while not NAPPING:
                await anyio.sleep(0.005)
            assert (await thief.post(0, cancel(message["id"]))).status_code == 202
    assert answers[0]["result"]["structuredContent"] == {"text": "slept"}


@pytest.mark.parametrize("who", OUTSIDE)
async def test_sessions_of_one_tenant_end_none_of_anothers(hop: Hop, who: str) -> None:
    owner, thief = await hop.person(OWNER).new_talk(), hop.person(who)
    for _ in range(SESSIONS + 1):
        await thief.new_talk()
    assert await owner.call(0, "echo", text="here") == {"text": "here"}
    for _ in range(SESSIONS):
        await hop.person(OWNER).new_talk()
    assert (await owner.post(0, owner.request("ping"))).status_code == 404, "one's own do"


async def test_the_matrix_sees_it_when_a_session_is_bound_to_less(hop: Hop, monkeypatch: pytest.MonkeyPatch) -> None:
    use = "calling a tool"
    with monkeypatch.context() as patch:
        changed(patch, hop.suite.parts.stores.sessions, "find", 0, lambda _tenant: "acme")
        stolen, made_up = await session_tried(hop, TWIN, use)
        assert (stolen[0], made_up[0]) == (200, 404)
    with monkeypatch.context() as patch:
        patch.setattr(endpoint, "_owner", Mock(return_value=ANY))
        for who in ("a colleague", "another client"):
            stolen, made_up = await session_tried(hop, who, use)
            assert (stolen[0], made_up[0]) == (200, 404)
