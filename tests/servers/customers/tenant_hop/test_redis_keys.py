"""Whatever Redis is asked names the tenant it is about, and tells nobody who or what that was."""

import re
from typing import Any, cast
from uuid import uuid4

import anyio
import pytest
from redis.asyncio import Redis

from shared.state import redis_sessions
from shared.state.keys import KeyRing
from tests.conversation import final
from tests.servers.customers.tenant_hop.forgetting import changed
from tests.servers.customers.tenant_hop.overhearing import Command, overhearing
from tests.servers.customers.tenant_hop.people import OWNER, TWIN, WITHIN_S, Person
from tests.servers.customers.tenant_hop.talks import question
from tests.servers.customers.tenant_hop.world import Hop

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("hop", ["redis"], indirect=True, scope="module")]

NOBODYS = re.compile(
    rb"suite:(replica:[0-9a-f]+|bus:(sessions|callers|switches|replica:[0-9a-f]+|stream:[0-9a-f]+:[\w-]+))"
)
"""Keys and channels that are no tenant's: of processes, or of random names."""

TENANTS = re.compile(rb"suite:(?:\{([^}]+)\}:.+|bus:notices:[a-z]+:(.+))", re.DOTALL)
"""Those of one tenant."""

KEYLESS = {b"ping", b"hello", b"client", b"time", b"select", b"auth", b"script", b"info", b"echo"}
SCRIPTS = {b"evalsha", b"eval"}


def tenants(commands: list[Command]) -> set[str]:
    """Whose keys and channels were asked for; fails on one that is of nobody we know."""
    found: set[str] = set()
    for name, *words in commands:
        if name in KEYLESS:
            continue
        keys = words[2 : 2 + int(words[1])] if name in SCRIPTS else words[:1]
        for key in [*keys, *(word for word in words if word.startswith(b"suite:"))]:
            if not NOBODYS.fullmatch(key):
                whose = TENANTS.fullmatch(key)
                assert whose, f"{name!r} asks for {key!r}, which is no tenant's"
                found.add((whose[1] or whose[2]).decode())
    return found


def told(commands: list[Command], secrets: list[str]) -> list[str]:
    """Those of the words that Redis was told as they are."""
    said = b"\n".join(b" ".join(command) for command in commands)
    return [secret for secret in secrets if secret.encode() in said]


async def everything(hop: Hop, who: str) -> tuple[list[Command], list[str]]:
    """What Redis is asked when somebody does all there is, in both eras; and words that it must not be told."""
    url = hop.suite.settings.redis_url
    assert url is not None
    word = uuid4().hex
    own: dict[str, Any] = {"sub": f"jane.{word}@people.example", "client_id": f"desk-{word}", "sid": f"login-{word}"}
    person = hop.person(who, **own)
    async with overhearing(url.get_secret_value()) as commands:
        await with_customers(person, word)
        await with_drill(hop.person(who, "modern", **own), word)
        session = await with_drill(hop.person(who, "legacy", **own), word)
        await in_a_session(hop.person(who, "legacy", **own), word)
    await settled(url.get_secret_value(), person.tenant)
    return commands, [*own.values(), f"Name {word}", f"{word}@mail.example", f"value {word}", f"said {word}", session]


async def settled(url: str, tenant: str) -> None:
    """Wait until the tenant's places are given back and its streams are closed."""
    async with Redis.from_url(url) as redis:  # pyright: ignore[reportUnknownMemberType]
        with anyio.fail_after(WITHIN_S):
            while await cast("Any", redis).keys(f"suite:{{{tenant}}}:now*"):
                await anyio.sleep(0.01)
            while await cast("Any", redis).pubsub_channels(f"suite:bus:notices:*:{tenant}"):
                await anyio.sleep(0.01)


async def with_customers(person: Person, word: str) -> None:
    new = {"name": f"Name {word}", "email": f"{word}@mail.example", "segment": "consumer", "country": "DE"}
    made = (await person.told("create_customer", **new, idempotency_key=f"key-{word}"))["customer"]
    await person.told("search_customers", query=f"Name {word}")
    await person.completed(made["id"][:-1])
    await person.ask("resources/read", {"uri": f"customer://{made['id']}"})
    await person.ask("tools/list", {})
    await person.call("get_customer", customer_id="C-0000000000")
    async with person.hearing(f"customer://{made['id']}", server="customers") as ear:
        await person.told("update_customer", customer_id=made["id"], version=1, changes={"city": "Ulm"})
        await ear.hears()


async def with_drill(person: Person, word: str) -> str:
    """Watch a thing and change it; the id of the session, or what is none."""
    await person.told("put", "drill", id=f"thing-{word}", value=f"value {word}")
    uri = f"drill://things/thing-{word}"
    async with person.hearing(uri) as ear:
        await person.told("put", "drill", id=f"thing-{word}", value=f"value {word} 2")
        assert await ear.hears() == uri
    return (await person.talk()).session or "" if person.era == "legacy" else word * 9


async def in_a_session(person: Person, word: str) -> None:
    """Ask and answer, break a stream and come back to it, cancel, and end the session."""
    talk = await person.new_talk()
    async with talk.streaming(0, talk.tool("greet")) as events:
        asked = await question(events)
        await talk.reply(0, asked, name=f"said {word}", mood="well")
        await final(events)
    async with talk.streaming(0, talk.tool("stamp", progress=True, to=2, label=f"said {word}")) as events:
        first = await anext(events)
    async with talk.listening(0, after=first.id) as events:
        await final(events)
    await talk.post(0, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
    assert (await talk.delete(0)).status_code == 204


@pytest.mark.parametrize("who", [OWNER, TWIN])
async def test_every_key_and_channel_that_is_asked_for_is_of_the_callers_tenant(hop: Hop, who: str) -> None:
    commands, secrets = await everything(hop, who)
    assert len(commands) > 100
    assert tenants(commands) == {hop.person(who).tenant}
    assert told(commands, secrets) == []


async def test_the_matrix_sees_a_key_of_another_tenant(hop: Hop, monkeypatch: pytest.MonkeyPatch) -> None:
    changed(monkeypatch, redis_sessions, "key_of", 0, lambda _tenant: "globex")
    commands, _ = await everything(hop, OWNER)
    assert tenants(commands) == {"acme", "globex"}


async def test_the_matrix_sees_a_key_that_names_no_tenant_and_a_word_that_was_said(
    hop: Hop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeyRing, "seal", lambda _ring, plain, _bound_to: plain)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    monkeypatch.setattr(KeyRing, "open", lambda _ring, sealed, _bound_to: sealed)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    commands, secrets = await everything(hop, OWNER)
    assert told(commands, secrets) != []
    for key in (b"suite:{}:session:abc", b"suite:session:abc", b"sessions", b"suite:bus:everybody"):
        with pytest.raises(AssertionError, match="which is no tenant's"):
            tenants([[b"get", key]])
