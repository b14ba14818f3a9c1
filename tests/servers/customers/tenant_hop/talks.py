"""Sessions of the 2025 era, and what whoever has the id of one does with it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import httpx

from tests.conversation import Conversation, Said, final
from tests.servers.customers.tenant_hop.people import OWNER, WITHIN_S, seen, suffixed
from tests.servers.customers.tenant_hop.world import Hop

_ECHO = {"method": "tools/call", "params": {"name": "echo", "arguments": {"text": "x"}}}


def cancel(message_id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": message_id}}


USES: dict[str, Callable[[Conversation], Awaitable[httpx.Response]]] = {
    "calling a tool": lambda talk: talk.post(0, {"jsonrpc": "2.0", "id": 1, **_ECHO}),
    "hearing of changes": lambda talk: talk.get(0),
    "going on with a stream": lambda talk: talk.get(0, **{"Last-Event-ID": "made-up/0"}),
    "answering a question": lambda talk: talk.post(0, {"jsonrpc": "2.0", "id": "ask-1", "result": {}}),
    "cancelling a call": lambda talk: talk.post(0, cancel(1)),
    "ending it": lambda talk: talk.delete(0),
}
"""What can be done with the id of a session."""


async def session_tried(hop: Hop, who: str, use: str) -> list[tuple[Any, ...]]:
    """What somebody sees who does that with the id of a session of the owner's, and with one of nobody's."""
    owner = await hop.person(OWNER).new_talk()
    thief = Conversation([hop.suite], hop.person(who).token("drill"), "drill", hop.http)
    answers: list[tuple[Any, ...]] = []
    for session in (owner.session or "", suffixed(owner.session or "")):
        thief.session = session
        with anyio.fail_after(WITHIN_S):  # a stream that is not refused has no end
            answers.append(seen(await USES[use](thief), session))
    return answers


async def question(events: AsyncIterator[Said]) -> dict[str, Any]:
    with anyio.fail_after(WITHIN_S):
        async for said in events:
            if said.message is not None and said.message.get("method") == "elicitation/create":
                return said.message
    raise AssertionError("nothing was asked")


async def stream_tried(hop: Hop, who: str) -> list[tuple[Any, ...]]:
    """What somebody sees who comes back, in a session of theirs, to a stream of the owner's and to one of nobody's."""
    owner, thief = await hop.person(OWNER).new_talk(), await hop.person(who).new_talk()
    async with owner.streaming(0, owner.tool("count", progress=True, to=3)) as events:
        ids = [said.id or "" async for said in events]
    stream, _, position = ids[0].partition("/")
    with anyio.fail_after(WITHIN_S):
        answers = [
            seen(await thief.get(0, **{"Last-Event-ID": given}), given)
            for given in (ids[0], f"{suffixed(stream)}/{position}")
        ]
    async with owner.listening(0, after=ids[0]) as events:
        assert "result" in await final(events), "it was there to come back to"
    return answers
