"""What replicas share, compared: sessions, limits, the machine, and one server among tenants."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import servers
from tests.bench import asks, idp, noop
from tests.bench.cases import READER, Databases
from tests.bench.idp import Who
from tests.bench.nulls import Control
from tests.bench.replicas import Replicas
from tests.bench.rounds import MANY, Case
from tests.bench.targets import LIFETIME_S, Makers, Target

_VARYING = str(Path(__file__).with_name("varying"))
_USER = Who("support", noop.SCOPE)
_SESSIONS = {"sessions_per_user": 1000}
"""Each connection of each window opens one; those of earlier windows are dead."""

NOISY, QUIET = READER, Who("outsider", "customers:read")
QUIET_PER_SECOND = 60.0
_QUIET_CONNECTIONS = 8
_CONFIGURED = dict.fromkeys(("calls_per_minute", "tool_calls_per_minute"), 6000) | {"burst": 20, "concurrent_calls": 20}
"""A hundred calls a second for each caller: within reach of whoever presses, out of reach of who asks now and then."""


SECTIONS = {
    "Sessions of the 2025 era": """
Any replica answers: it finds the session in Redis, in one round trip, which a test counts. The official SDK keeps
sessions in the memory of the one process that can answer. Beside both, the same no-op without a session.""",
    "What identity and policy cost": """
A token that was verified before is met again, as nearly all are: what is left is a digest, a look at its key, and one
at what was stopped. Policy is decided once for each caller where nothing about a call can change it; where a statement
looks at the arguments, each call is judged by itself.""",
    "What limits cost": """
All limits of a call are decided in one round trip. One at a time shows what that adds to the time of an answer, 32 at
once what it takes of the processor.""",
    "One replica, and two": """
Generator, PostgreSQL and Redis need processor time, too. Where the machine has two cores, a second replica on the
second core gets what these leave of it, and calls a second cannot double. What two replicas could answer is therefore
told by the processor time that they took, which says whether each call is more work when there are two of them. It
leaves waiting out. So two replicas are also measured on the one core that one replica had to itself, all else on the
other: what they answer less than it there is what they lose by being two, waiting for each other in Redis or
PostgreSQL included, and the caches they share. Neither shows a network, a third replica, or a PostgreSQL or Redis that
is full.""",
    "A noisy tenant beside a quiet one": """
Both are at one replica, and each caller may make 100 calls a second. The noisy tenant's caller repeats every call at
once, refused or not. A refusal is counted in Redis and has its audit record, so it costs about what an answer does; a
quiet call then waits for as many of them as are in progress, which is one for each noisy connection, and never more
than `max_in_flight` for a process. The bound for 32 connections is 20 times the time it takes alone, at p50.""",
}
"""Each with what has to be known to read its table."""


def cases(makers: Makers, databases: Databases) -> Iterator[Case]:
    for section, made in zip(SECTIONS, (sessions, judging, limits, replicas, tenants), strict=True):
        yield from (replace(case, section=section) for case in made(makers, databases))


def sessions(makers: Makers, databases: Databases) -> Iterator[Case]:
    """A no-op in sessions of the 2025 era, beside the official SDK's, which live in one process."""
    sdk = makers.bare("sdk_session")
    said = "official SDK, low-level Server: sessions in its process"
    yield Case("sdk_session", said, sdk, asks.echo_in_session(sdk.port))
    in_redis = {"redis_url": databases.redis_url, **_SESSIONS}
    edge = makers.assembled("session_edge", noop.server, databases.small, _USER, set(), **in_redis)
    yield Case("session_edge", "suite: sessions in Redis, no control", edge, asks.echo_in_session(edge.port))
    yield Case("sessionless_edge", "the same server, asked without a session (2026)", edge, asks.echo(edge.port))
    whole = makers.assembled("session", noop.server, databases.small, _USER, {*Control}, **in_redis)
    said = "suite: sessions and limits in Redis, all controls"
    yield Case("session", said, whole, asks.echo_in_session(whole.port, whole.token))
    said = "the same server, asked without a session (2026), all controls"
    yield Case("sessionless", said, whole, asks.echo(whole.port, whole.token))


def judging(makers: Makers, databases: Databases) -> Iterator[Case]:
    """A no-op with all other controls: without identity and policy, and with them."""
    neither = {*Control} - {Control.AUTHENTICATION, Control.POLICY}
    for key, said, on, given in (
        ("judged_neither", "neither verified nor judged", neither, {}),
        ("judged_token", "the token verified", {*Control} - {Control.POLICY}, {}),
        ("judged", "the token verified, policy decided before", {*Control}, {}),
        ("judged_each", "the token verified, policy on every call's arguments", {*Control}, {"policy_dir": _VARYING}),
    ):
        target = makers.assembled(key, noop.server, databases.small, _USER, on, **given)
        asked = asks.echo(target.port, target.token)
        yield Case(f"{key}_alone", f"{said}, one at a time", target, asked, 1)
        yield Case(key, said, target, asked)


def limits(makers: Makers, databases: Databases) -> Iterator[Case]:
    """A no-op with all controls: the limits taken off, in the process, and in Redis."""
    for key, said, on, given in (
        ("limits_none", "no limits", {*Control} - {Control.LIMITS}, {}),
        ("limits_local", "limits counted in the process", {*Control}, {}),
        ("limits_redis", "limits counted in Redis", {*Control}, {"redis_url": databases.redis_url}),
    ):
        target = makers.assembled(key, noop.server, databases.small, _USER, on, **given)
        asked = asks.echo(target.port, target.token)
        yield Case(f"{key}_alone", f"{said}, one at a time", target, asked, 1)
        yield Case(key, said, target, asked)


def replicas(makers: Makers, databases: Databases) -> Iterator[Case]:
    """`get_customer` by one replica and by two, with all controls, sessions and limits in Redis."""
    stores = (databases.postmaster,)
    one, two, halves = (_members(makers, databases, *wanted) for wanted in (("one", 1), ("two", 2), ("halves", 2)))
    for group, said in (
        (Replicas("replicas_one", one), "one replica, a core of its own"),
        (Replicas("replicas_two", two, apart=True, stores=stores), "two replicas, on both cores"),
        (Replicas("replicas_halves", halves), "two replicas, half a core each"),
    ):
        members = group.members
        asked = asks.reads(members[0].port, members[0].token or "", databases.small_count // 2)
        yield Case(group.name, said, group, asked, MANY * len(members))


def tenants(makers: Makers, databases: Databases) -> Iterator[Case]:
    """`get_customer` for a tenant that asks now and then, alone and beside one that presses far over its limits."""
    customers = servers.load("customers")
    given = {"redis_url": databases.redis_url, **_CONFIGURED}
    target = makers.assembled("tenants", customers, databases.small, QUIET, {*Control}, **given)
    many = databases.small_count // 2
    assert target.settings is not None
    quiet = asks.reads(target.port, target.token or "", many)
    noisy = idp.token(target.settings, customers, NOISY, LIFETIME_S)
    noise = asks.reads(target.port, noisy, many, refusable=True)
    said = f"a quiet tenant, {QUIET_PER_SECOND:g} calls a second"
    yield Case("tenant_alone", f"{said}, alone", target, quiet, _QUIET_CONNECTIONS, QUIET_PER_SECOND)
    said = f"{said}, beside a noisy one that presses on {MANY} connections"
    yield Case("tenant_beside", said, target, quiet, _QUIET_CONNECTIONS, QUIET_PER_SECOND, noise)


def _members(makers: Makers, databases: Databases, name: str, number: int) -> Sequence[Target]:
    """Replicas share keys, and the name of the first, whose tokens are good at all of them."""
    given = {"redis_url": databases.redis_url}
    first = makers.served(name, databases.small, READER, **given)
    shared = {"data_dir": first.log.parent, "public_url": f"http://127.0.0.1:{first.port}"}
    others = [
        makers.served(f"{name}_{place}", databases.small, READER, **given, **shared) for place in range(1, number)
    ]
    return [first, *(replace(other, token=first.token) for other in others)]
