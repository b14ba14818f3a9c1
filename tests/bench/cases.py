"""What is compared, and in which order the controls are switched on."""

from collections.abc import Iterator
from dataclasses import dataclass

import servers
from shared.state.roles import Urls
from tests.bench import asks, noop
from tests.bench.idp import Who
from tests.bench.nulls import Control
from tests.bench.rounds import Case
from tests.bench.stores import Facts
from tests.bench.targets import Makers, Target

READER, WRITER = Who("support", "customers:read"), Who("manager", "customers:write")
"""The one sees masked data, so that redaction has something to do."""

LADDER = (
    ("edge", "the HTTP edge, the SDK and the tool, no control", ()),
    ("authentication", "+ authentication (a verified token, met again)", (Control.AUTHENTICATION,)),
    ("policy", "+ policy (Cedar; nothing about the call can change it)", (Control.POLICY,)),
    ("limits", "+ limits, counted in the process", (Control.LIMITS,)),
    ("ledger", "+ ledger (a read claims nothing)", (Control.LEDGER,)),
    ("records", "+ audit: the record made and masked", (Control.RECORDS,)),
    ("audit", "+ audit: the record durable before the answer", (Control.AUDIT,)),
    ("redaction", "+ redaction of the answer", (Control.REDACTION,)),
    ("telemetry", "+ telemetry, counted, and a log line a call: all controls", (Control.TELEMETRY,)),
)
"""Each step keeps those before it."""

WRITES = (
    ("insert", "the transaction alone, no control", set[Control]()),
    ("claimed", "with the ledger: claim and sealed answer", {Control.LEDGER}),
    ("written", "with all controls: an intent before and an outcome after, too", {*Control}),
)


@dataclass(frozen=True)
class Databases:
    """`seeded` at size, with what it is told of; `small` for what is written; `redis_url` for what replicas share;
    `collector` for spans and metrics; `postmaster` is the process of PostgreSQL."""

    seeded: Urls
    facts: Facts
    small: Urls
    small_count: int
    redis_url: str
    collector: str
    postmaster: int


def sdk(makers: Makers) -> Iterator[Case]:
    """The official SDK, with a tool that does nothing, and what is under it."""
    for kind, said in (
        ("starlette", "bare Starlette, no MCP: the ceiling of this way of measuring"),
        ("lowlevel", "official SDK, low-level Server, no-op"),
        ("mcpserver", "official SDK, MCPServer, no-op"),
    ):
        target = makers.bare(kind)
        yield Case(kind, said, target, asks.echo(target.port))
        if kind == "mcpserver":
            yield Case(f"{kind}_alone", f"{said}, one at a time", target, asks.echo(target.port), 1)


def fastmcp(makers: Makers) -> Iterator[Case]:
    target = makers.fastmcp()
    yield Case("fastmcp", "FastMCP 4, no-op", target, asks.echo(target.port))


def ours(makers: Makers, databases: Databases) -> Iterator[Case]:
    """The suite with every control on."""
    target = makers.assembled("noop", noop.server, databases.small, Who("support", noop.SCOPE), {*Control})
    yield Case("noop", "suite, no-op", target, asks.echo(target.port, target.token))
    target = makers.served("customers", databases.seeded, READER)
    reads = asks.reads(target.port, _token(target), databases.facts["customers"] // 2)
    yield Case("get", "suite, get_customer", target, reads)
    yield Case("get_alone", "suite, get_customer, one at a time", target, reads, 1)
    shared = makers.served("customers_redis", databases.seeded, READER, redis_url=databases.redis_url)
    reads = asks.reads(shared.port, _token(shared), databases.facts["customers"] // 2)
    yield Case("get_redis", "suite, get_customer, limits in Redis", shared, reads)
    fleet = makers.served(
        "fleet", databases.seeded, READER, redis_url=databases.redis_url, otlp_endpoint=databases.collector
    )
    reads = asks.reads(fleet.port, _token(fleet), databases.facts["customers"] // 2)
    yield Case("get_fleet", "the same, and a tenth of the calls traced to a collector", fleet, reads)


def searches(makers: Makers, databases: Databases) -> Iterator[Case]:
    target = makers.served("customers_search", databases.seeded, READER)
    for kind, said in (
        ("rare", "a rare phrase"),
        ("common", "the commonest word"),
        ("phrase", "two common words that stand together"),
        ("apart", "two common words that stand apart"),
    ):
        query, fits = databases.facts[kind]
        asked = asks.searches(target.port, _token(target), query)
        label = f"search_customers: {said} ({fits:,} fit)"
        yield Case(f"search_{kind}", label, target, asked)
        yield Case(f"search_{kind}_alone", f"{label}, one at a time", target, asked, 1)


def ladder(makers: Makers, databases: Databases) -> Iterator[Case]:
    """`get_customer` with one control more each time."""
    on: set[Control] = set()
    customers = servers.load("customers")
    for key, said, more in LADDER:
        on |= {*more}
        target = makers.assembled(f"with_{key}", customers, databases.small, READER, {*on})
        yield Case(f"with_{key}", said, target, asks.reads(target.port, _token(target), databases.small_count // 2))


def writes(makers: Makers, databases: Databases) -> Iterator[Case]:
    customers = servers.load("customers")
    for key, said, on in WRITES:
        target = makers.assembled(key, customers, databases.small, WRITER, on)
        yield Case(key, f"create_customer, {said}", target, asks.writes(target.port, _token(target)))


def _token(target: Target) -> str:
    assert target.token is not None
    return target.token
