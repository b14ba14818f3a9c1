"""What happens at the mock identity provider is in the audit, beside the calls that its tokens made possible."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest

from shared.core.errors import Unavailable
from shared.core.settings import Settings
from shared.state.database import connect
from shared.state.keys import load_keys
from shared.steps.audit.identity import IdentityEvents
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import verify
from tests.clients.sign_in import SignIn
from tests.harness import Databases
from tests.processes import Process, process

pytestmark = pytest.mark.anyio


@pytest.fixture
async def running(databases: Databases, tmp_path: Path) -> AsyncGenerator[Process]:
    async with process(await databases.fresh(), tmp_path) as made:
        await made.start()
        yield made


async def events(settings: Settings) -> list[dict[str, Any]]:
    """The identity provider's records, the oldest first; the chain they are in must be intact."""
    assert settings.database_reader_url is not None
    connection = await connect(settings.database_reader_url.get_secret_value(), "test")
    try:
        records = await query(connection, Filter(limit=1000))
        report = await verify(connection, load_keys(settings).audit)
    finally:
        await connection.close()
    assert report.problems == []
    return [record for record in records if record["kind"] == "identity"][::-1]


async def test_a_sign_in_is_recorded_step_by_step_and_without_its_secrets(running: Process) -> None:
    person = SignIn("support", running.address.resource)
    async with person.connect("auto") as client:
        tools = (await client.list_tools()).tools
    with anyio.fail_after(10):
        while not any(event["target"] == "token_issued" for event in await events(running.settings)):
            await anyio.sleep(0.05)
    found = await events(running.settings)
    assert tools
    assert [event["target"] for event in found] == ["client_registered", "logged_in", "consent_given", "token_issued"]
    issued = found[-1]
    assert (issued["tenant"], issued["subject"], issued["outcome"]) == ("acme", "acme-support-agent", "ok")
    assert issued["client"] == found[0]["client"]
    assert issued["facts"]["resource"] == running.address.resource
    tokens = await person.get_tokens()
    assert tokens is not None
    for secret in filter(None, (tokens.access_token, tokens.refresh_token)):
        assert secret not in str(found)


class Away:
    """A sink whose store is gone."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def write(self, record: dict[str, Any]) -> None:
        self.seen.append(record)
        raise Unavailable("away")


async def test_events_are_taken_until_too_many_wait_and_all_are_handed_over_at_the_end() -> None:
    events, sink = IdentityEvents("https://issuer.example"), Away()
    for number in range(1000):
        events.report({"event": "login_refused", "time": 1.0, "reason": f"n{number}"})
    with pytest.raises(Unavailable):
        events.report({"event": "logged_in", "time": 1.0})
    async with events.written(sink):
        pass
    assert [record["facts"]["reason"] for record in sink.seen] == [f"n{number}" for number in range(1000)]
    assert {record["outcome"] for record in sink.seen} == {"refused"}


async def test_free_text_of_an_event_is_masked() -> None:
    events, sink = IdentityEvents("https://issuer.example"), Away()
    events.report(
        {"event": "client_registered", "time": 1.0, "client_name": "mail ada@example.com 4111 1111 1111 1111"}
    )
    async with events.written(sink):
        pass
    assert "ada@example.com" not in str(sink.seen)
    assert "1111 1111" not in str(sink.seen)


async def test_what_anybody_can_cause_is_counted_beyond_thirty_a_minute() -> None:
    events, sink = IdentityEvents("https://issuer.example"), Away()
    for number in range(500):
        events.report({"event": "client_registered", "time": 1.0, "client_name": f"c{number}"})
    events.report({"event": "logged_in", "time": 1.0, "subject": "sam"})
    async with events.written(sink):
        pass
    registered = [record["facts"] for record in sink.seen if record["target"] == "client_registered"]
    counted = sum(facts.get("not_recorded", 0) for facts in registered)
    assert len(registered) <= 62  # a minute may turn meanwhile
    assert len([facts for facts in registered if "client_name" in facts]) + counted == 500
    assert "logged_in" in {record["target"] for record in sink.seen}
