"""Calls that asked their user, in the 2026 era: what the client keeps for us between two rounds."""

from typing import Any

from tests.servers.customers.tenant_hop.people import Person, seen
from tests.servers.customers.tenant_hop.world import Hop

YES = {"action": "accept", "content": {"sure": True}}


async def asked(owner: Person, thing: str) -> dict[str, Any]:
    """The call that a client of the 2026 era makes once its user has answered the last question."""
    call: dict[str, Any] = {"name": "put_if_sure", "arguments": {"id": thing, "value": "v"}}
    for _ in range(2):
        result = (await owner.ask("tools/call", call, "drill")).json()["result"]
        [key] = result["inputRequests"]
        call |= {"requestState": result["requestState"], "inputResponses": {key: YES}}
    return call


def forged(state: str) -> str:
    """Another state of the same length, that we did not seal."""
    return state[:40] + ("A" if state[40] != "A" else "B") + state[41:]


async def state_tried(hop: Hop, who: str, thing: str) -> list[tuple[Any, ...]]:
    """What somebody sees who sends the last round of a call of the owner's, and one with a made-up state."""
    last = await asked(hop.person(), thing)
    thief, state = hop.person(who), last["requestState"]
    answers = [
        seen(await thief.ask("tools/call", {**last, "requestState": given}, "drill"), given)
        for given in (state, forged(state))
    ]
    assert await effects(hop, thing) == ([] if answers[0] == answers[1] else [thief.tenant])
    await hop.person().ask("tools/call", last, "drill")
    return answers


async def effects(hop: Hop, thing: str) -> list[str]:
    return [
        row["tenant_id"] for row in await hop.suite.sql("SELECT tenant_id FROM drill.effects WHERE thing = $1", thing)
    ]
