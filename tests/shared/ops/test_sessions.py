"""`mcp-suite sessions` over a real Redis and a real audit."""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
from typer.testing import CliRunner, Result

from shared.core.errors import SuiteError
from shared.core.settings import Settings
from shared.ops import running
from shared.ops.cli import app
from shared.state.bus import Inbox
from shared.state.database import connect
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.keys import load_keys
from shared.state.roles import Urls
from shared.state.sessions import Session
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import verify
from tests.harness import Databases
from tests.stores import RedisWorld, a_session, another, redis_world

pytestmark = pytest.mark.anyio

OURS = ("SUITE_", "DATABASE_", "REDIS_")


@dataclass
class Desk:
    """An operator's shell beside a fleet."""

    env: dict[str, str | None]
    settings: Settings
    urls: Urls
    fleet: RedisWorld
    said: Inbox
    revoked: Inbox

    async def run(self, words: str) -> Result:
        """In a thread, since the command has a loop of its own."""
        return await anyio.to_thread.run_sync(
            lambda: CliRunner().invoke(app, ["sessions", *words.split()], env={"COLUMNS": "160", **self.env})
        )

    async def does(self, words: str) -> list[str]:
        ended = await self.run(words)
        assert ended.exit_code == 0, ended.output
        return ended.stdout.splitlines()

    async def fails(self, words: str) -> str:
        """The sentence of a failure that was foreseen."""
        ended = await self.run(words)
        assert (ended.exit_code, ended.stdout) == (1, "")
        error: Any = ended.exception
        while hasattr(error, "exceptions"):  # a group, of the tasks around it
            (error,) = error.exceptions
        assert isinstance(error, SuiteError)
        return str(error)

    async def opened(self, session: Session) -> Session:
        await self.fleet.sessions.open(session, most=10, replace=True)
        return session

    async def records(self) -> list[dict[str, Any]]:
        connection = await connect(self.urls.reader, "test")
        try:
            assert (await verify(connection, load_keys(self.settings).audit)).problems == []
            found = await query(connection, Filter())
        finally:
            await connection.close()
        return [record for record in found if record["kind"] == "session"]


@pytest.fixture
async def desk(
    redis_server: EmbeddedRedis, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Desk]:
    def leave(level: str, *, calls: bool) -> None:
        """The logs of the tests are set up already."""

    monkeypatch.setattr(running, "configure", leave)
    urls, settings = await databases.fresh(), Settings(data_dir=tmp_path)
    env: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith(OURS))
    env |= {"SUITE_DATA_DIR": str(tmp_path), "SUITE_REDIS_URL": redis_server.url, "DATABASE_URL": urls.app}
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(redis_world(redis_server.url, settings, load_keys(settings).sessions))
        said = await stack.enter_async_context(fleet.bus.listening("sessions"))
        revoked = await stack.enter_async_context(fleet.bus.listening("callers"))
        yield Desk(env, settings, urls, fleet, said, revoked)


async def test_sessions_are_listed_without_what_clients_say_of_themselves(desk: Desk) -> None:
    first = await desk.opened(a_session(opened_at=1e10))
    second = await desk.opened(another(first, subject="joe"))
    assert [json.loads(line) for line in await desk.does(f"list --tenant {first.tenant}")] == [
        {
            **{"handle": session.handle, "tenant": session.tenant, "subject": session.subject, "client": "desk"},
            **{"version": "2025-11-25", "opened_at": f"2286-11-20T17:46:{40 + age}+00:00"},
        }
        for age, session in enumerate((first, second))
    ]
    (line,) = await desk.does(f"list --tenant {first.tenant} --subject joe")
    assert json.loads(line)["handle"] == second.handle


async def test_one_session_is_ended_everywhere_and_that_is_recorded(desk: Desk) -> None:
    ended, kept = await desk.opened(a_session()), await desk.opened(a_session())
    assert await desk.does(f"end {ended.handle}") == [f"Ended {ended.handle}."]
    assert await desk.fleet.sessions.find(ended.tenant, ended.handle) is None
    assert await desk.fleet.sessions.find(kept.tenant, kept.handle) == kept
    assert orjson.loads(await desk.said.next(5) or b"") == {"ended": ended.handle}
    assert await desk.revoked.next(0.05) is None
    (record,) = await desk.records()
    told = {name: record[name] for name in ("target_kind", "target", "outcome", "tenant", "subject", "session")}
    assert told == {
        **{"target_kind": "session", "target": "end", "outcome": "ok"},
        **{"tenant": ended.tenant, "subject": ended.subject, "session": ended.handle},
    }
    assert record["actor"]


async def test_everything_of_a_person_is_ended_and_their_streams_are_told(desk: Desk) -> None:
    one = await desk.opened(a_session())
    two = await desk.opened(another(one, client="another"))
    other = await desk.opened(another(one, subject="joe"))
    said = await desk.does(f"end --tenant {one.tenant} --subject {one.subject}")
    assert len(said) == 3
    assert await desk.fleet.sessions.listed(one.tenant) == [other]
    handles = [orjson.loads(await desk.said.next(5) or b"")["ended"] for _ in range(2)]
    assert handles == [one.handle, two.handle]
    assert orjson.loads(await desk.revoked.next(5) or b"") == {
        "revoked": {"tenant": one.tenant, "subject": one.subject}
    }
    assert [record["target"] for record in await desk.records()] == ["end", "end", "revoke"]


async def test_what_cannot_be_done_is_said_in_one_sentence_and_not_recorded(desk: Desk) -> None:
    session = await desk.opened(a_session())
    assert "mcp-suite sessions list" in await desk.fails("end 0123456789abcdef")
    assert "--subject and --tenant" in await desk.fails(f"end --subject {session.subject}")
    assert await desk.records() == []
    desk.env["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    await desk.fails(f"end {session.handle}")
    assert await desk.fleet.sessions.find(session.tenant, session.handle) == session
    desk.env["SUITE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    assert "retry in a moment" in await desk.fails("list")
    desk.env["SUITE_REDIS_URL"] = None
    assert "SUITE_REDIS_URL is needed" in await desk.fails("list")


@pytest.mark.parametrize(("words", "said"), [("list", "JSON lines"), ("end", "--subject with --tenant")])
def test_the_commands_explain_themselves(words: str, said: str) -> None:
    shown = CliRunner().invoke(app, ["sessions", words, "--help"], env={"COLUMNS": "160"})
    assert (shown.exit_code, said in shown.stdout) == (0, True), shown.output
