"""What a switch stops and what it does not; the table, and how a process keeps up with it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import anyio
import asyncpg
import pytest
from structlog.testing import capture_logs

from shared.core.caller import Caller
from shared.core.errors import Misconfigured, Unavailable
from shared.core.settings import Settings
from shared.state import switch_table, switch_watch
from shared.state.database import connect, open_database
from shared.state.embedded import EmbeddedPostgres
from shared.state.local_bus import LocalBus
from shared.state.roles import Passwords, Urls, ensure_roles
from shared.state.services import migrate
from shared.state.switch_table import TOPIC
from shared.state.switch_watch import Watching, open_switches
from shared.state.switches import KINDS, Switch, Switches
from tests.harness import Databases

pytestmark = pytest.mark.anyio

SET_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN = Caller(
    subject="ann",
    issuer="https://login.example",
    client="desk",
    tenant="acme",
    scopes=frozenset(),
    actors=("agent-7", "agent-1"),
    token_id="jti-1",
    session_id="sid-1",
)


def off(kind: str, **parts: Any) -> Switch:
    empty = dict.fromkeys(("server", "name", "tenant", "issuer"))
    given: dict[str, Any] = {"id": 1, "reason": "a leak", "set_by": "ops", "set_at": SET_AT, **empty, **parts}
    return Switch(kind=kind, **given)


def loaded(*switches: Switch, clock: Callable[[], float] = lambda: 0) -> Switches:
    made = Switches(clock)
    made.replace(switches)
    return made


def is_told(switches: Switches, caller: Caller = ANN) -> str | None:
    failure = switches.suspended(caller)
    return failure and failure.details["stopped"]


def test_nothing_is_off_until_something_is_loaded() -> None:
    switches = Switches()
    assert (is_told(switches), switches.revoked(ANN), switches.hides("customers", "get_customer", ANN)) == (
        *(None, False, False),
    )
    assert switches.version == switches.version


@pytest.mark.parametrize(
    ("switch", "hidden"),
    [
        (off("tool", server="customers", name="merge"), {("acme", "merge"), ("globex", "merge")}),
        (off("tool", server="customers", name="merge", tenant="acme"), {("acme", "merge")}),
        (off("server", server="customers"), {(t, n) for t in ("acme", "globex") for n in ("merge", "get")}),
        (off("server", server="customers", tenant="globex"), {("globex", "merge"), ("globex", "get")}),
        (off("tool", server="tickets", name="merge"), set[tuple[str, str]]()),
        (off("tenant", tenant="acme"), set[tuple[str, str]]()),
        (off("client", name="merge"), set[tuple[str, str]]()),
    ],
)
def test_tools_and_servers_are_hidden_from_whom_they_are_off_for(switch: Switch, hidden: set[tuple[str, str]]) -> None:
    switches = loaded(switch)
    seen = {
        (tenant, name)
        for tenant in ("acme", "globex")
        for name in ("merge", "get")
        if switches.hides("customers", name, replace(ANN, tenant=tenant))
    }
    assert seen == hidden
    if switch.server:
        assert is_told(switches) is None


OTHERS = {
    "another subject": replace(ANN, subject="joe"),
    "another tenant": replace(ANN, tenant="globex"),
    "another client": replace(ANN, client="shell"),
    "another issuer": replace(ANN, issuer="https://other.example"),
    "no agents": replace(ANN, actors=()),
    "another token": replace(ANN, token_id="jti-2"),
    "another login": replace(ANN, session_id="sid-2"),
    "neither": replace(ANN, token_id=None, session_id=None),
}


@pytest.mark.parametrize(
    ("switch", "spared"),
    [
        (off("user", name="ann", tenant="acme"), {"another subject", "another tenant"}),
        (
            off("user", name="ann", tenant="acme", issuer=ANN.issuer),
            {"another subject", "another tenant", "another issuer"},
        ),
        (off("user", name="agent-1", tenant="acme"), {"another tenant", "no agents"}),
        (off("client", name="desk"), {"another client"}),
        (off("client", name="desk", tenant="acme"), {"another client", "another tenant"}),
        (off("client", name="desk", issuer=ANN.issuer), {"another client", "another issuer"}),
        (
            off("client", name="desk", tenant="acme", issuer=ANN.issuer),
            {"another client", "another tenant", "another issuer"},
        ),
        (off("client", name="agent-7"), {"no agents"}),
        (off("client", name="agent-1"), {"no agents"}),
        (off("tenant", tenant="acme"), {"another tenant"}),
        (off("token", name="jti-1"), {"another token", "neither"}),
        (off("token", name="jti-1", issuer=ANN.issuer), {"another token", "neither", "another issuer"}),
        (off("login", name="sid-1"), {"another login", "neither"}),
        (off("login", name="sid-1", issuer=ANN.issuer), {"another login", "neither", "another issuer"}),
    ],
)
def test_callers_are_stopped_and_others_are_not(switch: Switch, spared: set[str]) -> None:
    switches = loaded(switch)
    of_credentials = switch.kind in {"token", "login"}
    assert (is_told(switches), switches.revoked(ANN)) == (switch.kind, of_credentials)
    assert {name for name, other in OTHERS.items() if is_told(switches, other) is None} == spared
    assert {name for name, other in OTHERS.items() if not switches.revoked(other)} == (
        spared if of_credentials else set(OTHERS)
    )
    assert not switches.hides("customers", "merge", ANN)


def test_the_caller_is_told_why_until_when_and_what_to_do() -> None:
    until = datetime(2026, 11, 21, 14, tzinfo=UTC)
    failure = loaded(off("user", name="ann", tenant="acme", expires_at=until, left_s=60)).suspended(ANN)
    assert failure is not None
    assert failure.message == (
        "An administrator stopped the user who makes this call, until 2026-11-21T14:00:00+00:00: a leak. "
        "Do not repeat the call; ask them."
    )
    assert failure.details == {"stopped": "user", "reason": "a leak", "until": "2026-11-21T14:00:00+00:00"}
    assert (failure.code, failure.retryable) == ("suspended", False)
    endless = loaded(off("tenant", tenant="acme")).suspended(ANN)
    assert endless is not None
    assert "until they lift it: a leak." in endless.message


def test_a_time_that_is_up_ends_it_without_anybody_saying_so_and_counts_as_a_change() -> None:
    now = [100.0]
    short = off("user", name="ann", tenant="acme", left_s=5.0)
    long = off("tool", id=2, server="customers", name="merge", left_s=7.0)
    switches = loaded(short, long, clock=lambda: now[0])
    first = switches.version
    now[0] = 104.9
    assert (is_told(switches), switches.version) == ("user", first)
    now[0] = 105.0
    assert is_told(switches) is None
    second = switches.version
    assert second != first
    assert switches.hides("customers", "merge", ANN)
    now[0] = 107.0
    assert not switches.hides("customers", "merge", ANN)
    assert switches.version not in {first, second}


@pytest.mark.parametrize(
    ("switch", "hides", "stops"),
    [
        (off("region", name="eu"), False, {"acme", "globex"}),
        (off("region", name="eu", tenant="acme"), False, {"acme"}),
        (off("region", server="customers", name="eu"), True, set[str]()),
        (off("region", server="tickets"), False, set[str]()),
        (off("tool", server="customers"), True, set[str]()),
        (off("tool", name="merge"), False, {"acme", "globex"}),
        (off("user", name="ann"), False, {"acme", "globex"}),
        (off("client", tenant="acme"), False, {"acme"}),
        (off("token"), False, {"acme", "globex"}),
    ],
)
def test_what_is_not_understood_stops_all_that_it_may_mean_and_is_logged(
    switch: Switch, hides: bool, stops: set[str]
) -> None:
    with capture_logs() as logs:
        switches = loaded(switch)
        switches.replace([switch])
    assert switches.hides("customers", "get", ANN) is hides
    assert {t for t in ("acme", "globex") if is_told(switches, replace(ANN, tenant=t)) == "unknown"} == stops
    (said,) = [line for line in logs if line["log_level"] == "error"]
    assert (said["kind"], "not understood" in said["event"]) == (switch.kind, True)


def test_whoever_wants_to_know_hears_of_what_is_new_and_the_version_of_every_change() -> None:
    one, two = off("tenant", tenant="acme"), off("tenant", id=2, tenant="globex")
    heard: list[Sequence[Switch]] = []
    switches = Switches(lambda: 0)
    versions = [switches.version]

    def replaced(*found: Switch) -> None:
        switches.replace(found)
        versions.append(switches.version)

    with switches.on_change(heard.append):
        replaced(one)
        replaced(replace(one, left_s=None))
        replaced(one, two)
        replaced(two)
        again = replace(two, set_at=datetime(2026, 11, 22, tzinfo=UTC), reason="another")
        replaced(again)
    replaced()
    assert heard == [[one], [two], [again]]
    assert [a != b for a, b in pairwise(versions)] == [True, False, True, True, True, True]
    assert is_told(switches, replace(ANN, tenant="globex")) is None


@dataclass
class Desk:
    """An operator's connection beside what serves."""

    urls: Urls
    admin_url: str
    bus: LocalBus = field(default_factory=LocalBus)
    connection: Any = None

    async def stop(self, kind: Any = "tenant", for_s: float | None = None, **parts: Any) -> tuple[Switch, bool]:
        parts = parts or {"tenant": "acme"}
        given: dict[str, Any] = {"reason": "a leak", "set_by": "ops", **parts}
        return await switch_table.stop(self.connection, kind, for_s=for_s, **given)

    async def sql(self, statement: str) -> Any:
        admin = await connect(urlsplit(self.admin_url)._replace(path=urlsplit(self.urls.app).path).geturl(), "test")
        try:
            return await admin.fetch(statement)
        finally:
            await admin.close()

    async def allow_connections(self, *, allowed: bool) -> None:
        name = urlsplit(self.urls.app).path[1:]
        admin = await connect(self.admin_url, "test")
        try:
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(allowed).lower()}")
            if not allowed:
                await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        finally:
            await admin.close()

    @asynccontextmanager
    async def serving(self, poll_s: float = 0.02) -> AsyncGenerator[Watching]:
        """What a process holds."""
        settings = Settings(pool_min=1, pool_max=2, switch_poll_s=poll_s)
        async with (
            open_database(self.urls.app, settings) as database,
            open_switches(database, self.urls.app, self.bus, settings) as watching,
        ):
            yield watching


@pytest.fixture
async def desk(databases: Databases) -> AsyncGenerator[Desk]:
    made = Desk(await databases.fresh(), databases.admin_url)
    made.connection = await connect(made.urls.operator, "test")
    yield made
    made.connection.terminate()


async def until(condition: Callable[[], bool], within_s: float = 10) -> None:
    with anyio.fail_after(within_s):
        while not condition():
            await anyio.sleep(0.002)


async def test_what_was_stopped_is_read_as_it_was_written(desk: Desk) -> None:
    parts: dict[str, dict[str, Any]] = {
        "tool": {"server": "customers", "name": "merge", "tenant": "acme"},
        "server": {"server": "customers"},
        "client": {"name": "desk", "issuer": ANN.issuer},
        "user": {"name": "ann", "tenant": "acme"},
        "tenant": {"tenant": "acme"},
        "token": {"name": "jti-1"},
        "login": {"name": "sid-1"},
    }
    assert parts.keys() == set(KINDS)
    made = [(await desk.stop(kind, **given))[0] for kind, given in parts.items()]
    _, found = await switch_table.load(desk.connection)
    assert found == made
    assert [one.kind for one in found] == list(parts)
    for one in found:
        given = {name: value for name in ("server", "name", "tenant", "issuer") if (value := getattr(one, name))}
        assert given == parts[one.kind]
        assert (one.reason, one.set_by, one.expires_at, one.left_s) == ("a leak", "ops", None, None)


MEANINGLESS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tool", {"name": "merge"}),
    ("server", {"server": "customers", "name": "merge"}),
    ("user", {"name": "ann"}),
    ("client", {"tenant": "acme"}),
    ("tenant", {"tenant": ""}),
    ("token", {"name": "jti", "tenant": "acme"}),
    ("region", {"name": "eu"}),
)


async def test_the_table_takes_no_row_that_means_something_else_than_it_says(desk: Desk) -> None:
    for kind, parts in MEANINGLESS:
        with pytest.raises(asyncpg.CheckViolationError):
            await desk.stop(kind, **parts)


async def test_stopping_twice_is_stopping_once_and_never_shortens(desk: Desk) -> None:
    first, changed = await desk.stop(for_s=60, tenant="acme")
    assert changed
    again = [
        (await desk.stop(for_s=30, tenant="acme", reason="sooner")),
        (await desk.stop(tenant="acme", reason="ever")),
    ]
    assert [(one.id, one.reason, one.expires_at is None, new) for one, new in again] == [
        (first.id, "a leak", False, False),
        (first.id, "ever", True, True),
    ]
    assert (await desk.stop(for_s=60, tenant="acme", reason="shorter"))[1] is False
    assert (await desk.stop(tenant="acme", reason="the same"))[1] is False
    assert [one.reason for one in (await switch_table.load(desk.connection))[1]] == ["ever"]


async def test_many_stop_the_same_and_others_at_once_and_nothing_is_lost(desk: Desk) -> None:
    news: list[bool] = []

    async def stop(number: int) -> None:
        connection = await connect(desk.urls.operator, "test")
        try:
            for tenant in ("acme", f"tenant-{number}"):
                given: dict[str, Any] = {"reason": "a leak", "set_by": f"ops-{number}", "tenant": tenant}
                async with connection.transaction():
                    news.append((await switch_table.stop(connection, "tenant", **given))[1])
        finally:
            await connection.close()

    async with desk.serving() as watching, anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(stop, number)
    version, found = await switch_table.load(desk.connection)
    assert (len(found), sum(news), version) == (11, 11, 12)
    assert {is_told(watching.switches, replace(ANN, tenant=str(one.tenant))) for one in found} <= {"tenant", None}


async def test_whoever_serves_may_look_and_not_lift_and_an_operator_can_do_nothing_else(desk: Desk) -> None:
    await desk.stop(tenant="acme")
    app = await connect(desk.urls.app, "test")
    assert len((await switch_table.load(app))[1]) == 1
    denied = [
        (app, "DELETE FROM suite.switches"),
        (app, "UPDATE suite.switches SET expires_at = now()"),
        (app, "INSERT INTO suite.switches (kind, tenant, reason, set_by) VALUES ('tenant', 'x', 'x', 'x')"),
        (app, "TRUNCATE suite.switches"),
        (app, "UPDATE suite.switches_version SET version = 0"),
        (app, "ALTER TABLE suite.switches DISABLE TRIGGER ALL"),
        (desk.connection, "UPDATE suite.switches_version SET version = 0"),
        (desk.connection, "UPDATE suite.switches SET tenant = 'globex'"),
        (desk.connection, "SELECT 1 FROM suite.audit"),
        (desk.connection, "INSERT INTO suite.audit_chain VALUES (gen_random_uuid())"),
        (desk.connection, "SELECT 1 FROM suite.ledger"),
        (desk.connection, "SELECT 1 FROM customers.customers"),
        (desk.connection, "CREATE TABLE suite.more ()"),
    ]
    for connection, statement in denied:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await app.close()


async def test_what_is_past_its_time_is_purged_and_may_be_stopped_again(desk: Desk) -> None:
    kept, _ = await desk.stop(tenant="acme")
    gone, _ = await desk.stop(for_s=60, tenant="globex")
    await desk.sql(f"UPDATE suite.switches SET expires_at = now() - interval '1 s' WHERE id = {gone.id}")
    assert (await switch_table.load(desk.connection))[1] == [kept]
    assert await switch_table.lift(desk.connection, gone.id) is None
    assert (await desk.stop(for_s=60, tenant="globex"))[1], "what is over is not what is asked for"
    await desk.sql(f"UPDATE suite.switches SET expires_at = now() - interval '1 s' WHERE id = {gone.id}")
    app = await connect(desk.urls.app, "test")
    assert [await switch_table.purge(app) for _ in range(2)] == [1, 0]
    await app.close()
    assert [row["id"] for row in await desk.sql("SELECT id FROM suite.switches")] == [kept.id]


@pytest.mark.parametrize("poll_s", [0.02, 5])
async def test_a_process_follows_the_table_by_looking_or_by_word_over_the_bus(desk: Desk, poll_s: float) -> None:
    async with desk.serving(poll_s) as watching:
        switches = watching.switches

        async def told() -> None:
            if poll_s > 1:
                await desk.bus.publish(TOPIC)

        switch, _ = await desk.stop("user", name="ann", tenant="acme")
        await told()
        await until(lambda: is_told(switches) == "user", 2)
        await switch_table.lift(desk.connection, switch.id)
        await told()
        await until(lambda: is_told(switches) is None, 2)
        await desk.sql(
            "INSERT INTO suite.switches (kind, tenant, reason, set_by) VALUES ('tenant', 'acme', 'r', 'dba')"
        )
        await told()
        await until(lambda: is_told(switches) == "tenant", 2)
        await desk.sql("TRUNCATE suite.switches")
        await told()
        await until(lambda: is_told(switches) is None, 2)


async def test_what_was_off_before_a_process_starts_is_off_when_it_has_started(desk: Desk) -> None:
    await desk.stop(tenant="acme")
    async with desk.serving(5) as watching:
        assert is_told(watching.switches) == "tenant"


async def test_a_row_of_a_newer_version_reaches_a_process_that_does_not_know_it(desk: Desk) -> None:
    await desk.sql("ALTER TABLE suite.switches DROP CONSTRAINT switches_parts, ADD COLUMN region text")
    await desk.sql(
        "INSERT INTO suite.switches (kind, region, tenant, reason, set_by) VALUES ('region', 'eu', 'acme', 'r', 'ops')"
    )
    async with desk.serving(5) as watching:
        assert is_told(watching.switches) == "unknown"
        assert is_told(watching.switches, replace(ANN, tenant="globex")) is None


async def test_while_the_database_is_away_the_last_known_stays_and_then_all_is_caught_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch_watch, "_STALE_S", 0.05)
    await desk.stop(tenant="acme")
    async with desk.serving() as watching:
        switches = watching.switches
        await watching.check()
        with capture_logs() as logs:
            await desk.allow_connections(allowed=False)
            with anyio.fail_after(10):
                while True:
                    try:
                        await watching.check()
                    except Unavailable:
                        break
                    await anyio.sleep(0.002)
            assert is_told(switches) == "tenant"
            await desk.allow_connections(allowed=True)
            desk.connection = await connect(desk.urls.operator, "test")
            await desk.stop(tenant="globex")
            await until(lambda: is_told(switches, replace(ANN, tenant="globex")) == "tenant")
        await watching.check()
        said = [line["event"] for line in logs if "can" in line["event"] and "looked up" in line["event"]]
    assert said == ["the switches cannot be looked up; the last known stay", "the switches can be looked up again"]


async def test_calls_that_fill_the_pool_do_not_delay_a_stop(desk: Desk) -> None:
    settings = Settings(pool_min=1, pool_max=1, switch_poll_s=0.02)
    async with (
        open_database(desk.urls.app, settings) as database,
        open_switches(database, desk.urls.app, desk.bus, settings) as watching,
        database.connection(),
    ):
        await desk.stop(tenant="acme")
        await until(lambda: is_told(watching.switches) == "tenant", 2)


async def test_a_process_does_not_start_on_a_database_without_the_table(desk: Desk) -> None:
    await desk.sql("DROP TABLE suite.switches")
    with pytest.raises(Misconfigured, match="mcp-suite db migrate"):
        async with desk.serving():
            pass
    await desk.allow_connections(allowed=False)
    with pytest.raises(Unavailable):
        async with desk.serving():
            pass


async def test_migrating_without_the_role_says_how_to_make_it(
    postgres: EmbeddedPostgres, role_passwords: Passwords
) -> None:
    urls = await ensure_roles(postgres.admin_url, role_passwords, "suite_without_operator")
    async with AsyncExitStack() as stack:
        admin = await connect(postgres.admin_url, "test")
        stack.push_async_callback(admin.close)

        async def rename(old: str, new: str) -> None:
            await admin.execute(f"ALTER ROLE {old} RENAME TO {new}")

        await rename("suite_operator", "suite_operator_away")
        stack.push_async_callback(rename, "suite_operator_away", "suite_operator")
        with pytest.raises(Misconfigured, match="CREATE ROLE suite_operator"):
            await migrate(urls.owner, {})
