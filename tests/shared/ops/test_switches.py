"""`mcp-suite stop`, `stops` and `resume` over a real database, a real audit and a real Redis."""

import base64
import json
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

import servers
from shared.core.errors import Misconfigured
from shared.core.settings import Settings
from shared.ops.cli import app
from shared.ops.stop_words import targets, token_given
from shared.state.bus import Inbox
from shared.state.database import connect
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.keys import load_keys
from shared.state.roles import Urls
from shared.state.switch_table import TOPIC
from shared.steps.audit.query import Filter, query
from shared.steps.audit.verify import verify
from tests.harness import Databases
from tests.shell import Shell, keep_logs
from tests.stores import redis_world

pytestmark = pytest.mark.anyio

WHY = ("--reason", "a leak")
DAY_S = 86_400


@dataclass
class Desk(Shell):
    """An operator's shell beside a fleet."""

    settings: Settings
    urls: Urls
    admin_url: str
    said: Inbox

    async def stops(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in await self.does("stops")]

    async def records(self) -> list[dict[str, Any]]:
        """Of switches, the oldest first."""
        connection = await connect(self.urls.reader, "test")
        try:
            assert (await verify(connection, load_keys(self.settings).audit)).problems == []
            found = await query(connection, Filter())
        finally:
            await connection.close()
        return [record for record in reversed(found) if record["kind"] == "switch"]

    async def sql(self, statement: str) -> Any:
        url = urlsplit(self.admin_url)._replace(path=urlsplit(self.urls.app).path).geturl()
        admin = await connect(url, "test")
        try:
            return await admin.fetch(statement)
        finally:
            await admin.close()


@pytest.fixture
async def desk(
    redis_server: EmbeddedRedis, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Desk]:
    keep_logs(monkeypatch)
    urls, settings = await databases.fresh(), Settings(data_dir=tmp_path)
    env = Shell.beside(urls, tmp_path, redis_server.url).env
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(redis_world(redis_server.url, settings, load_keys(settings).sessions))
        said = await stack.enter_async_context(fleet.bus.listening(TOPIC))
        yield Desk(env, settings, urls, databases.admin_url, said)


def jwt(**claims: Any) -> str:
    parts = ({"alg": "ES256"}, claims)
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), "sig"])


async def test_what_is_stopped_is_listed_recorded_and_told_and_lifted_again(desk: Desk) -> None:
    stopped, lift = await desk.does("stop", "tool", "customers.merge_customers", "--reason", "it merges too much.")
    assert stopped == (
        "Stopped as 1: tool customers.merge_customers: it merges too much. Every replica knows within a second."
    )
    assert lift == 'Lift it with: mcp-suite resume 1 --reason "…"'
    assert await desk.said.next(5) == b""
    (listed,) = await desk.stops()
    assert (listed.pop("set_by"), bool(listed.pop("set_at"))) != ("", False)
    assert listed == {
        **{"id": 1, "kind": "tool", "server": "customers", "name": "merge_customers"},
        **{"reason": "it merges too much"},
    }
    assert await desk.does("resume", "1", "--reason", "mended") == [
        "Lifted 1: tool customers.merge_customers: it merges too much."
    ]
    assert await desk.said.next(5) == b""
    assert await desk.stops() == []
    records = await desk.records()
    part = {"id": 1, "kind": "tool", "server": "customers", "name": "merge_customers", "until": None}
    assert [(record["target"], record["outcome"], record["reason"], record["switch"]) for record in records] == [
        ("stop", "ok", "it merges too much", part),
        ("resume", "ok", "mended", part),
    ]
    assert all(record["actor"] for record in records)


EACH = {
    "tool customers.get_customer --tenant acme": "tool customers.get_customer for tenant acme",
    "tool customers.read_customer": "tool customers.read_customer",
    "tool customers.draft_customer_reply": "tool customers.draft_customer_reply",
    "tool tickets.close --unlisted": "tool tickets.close",
    "server customers --tenant acme": "server customers for tenant acme",
    "server tickets --unlisted": "server tickets",
    "client desk --issuer https://i.example": "client desk by issuer https://i.example",
    "client desk --tenant acme": "client desk for tenant acme",
    "user ann@acme.example --tenant acme": "user ann@acme.example of tenant acme",
    "tenant acme": "tenant acme",
    "token --jti some-id": "token some-id",
    "login some-sid --issuer https://i.example": "login some-sid by issuer https://i.example",
}


async def test_each_kind_of_thing_can_be_stopped(desk: Desk) -> None:
    for number, (words, described) in enumerate(EACH.items(), 1):
        said = await desk.does("stop", *words.split(), *WHY)
        assert said[0] == f"Stopped as {number}: {described}: a leak. Every replica knows within a second."
    listed, records = await desk.stops(), await desk.records()
    assert [one["kind"] for one in listed] == [words.split()[0] for words in EACH]
    for one, record in zip(listed, records, strict=True):
        assert (record["tenant"], record["issuer"]) == (one.get("tenant"), one.get("issuer"))
        of = {"user": "subject", "client": "client", "token": "token_id", "login": "session_id"}.get(one["kind"])
        assert of is None or record[of] == one["name"]


async def test_a_stop_for_a_time_says_until_when(desk: Desk) -> None:
    began = time.time()
    (said, _) = await desk.does("stop", "tenant", "acme", "--for", "2h", *WHY)
    ((expires_at,),) = await desk.sql("SELECT extract(epoch FROM expires_at) FROM suite.switches")
    assert began + 7200 - 5 <= expires_at <= time.time() + 7200 + 5
    (listed,) = await desk.stops()
    assert listed["expires_at"][:19] in said
    (record,) = await desk.records()
    assert record["switch"]["until"] == listed["expires_at"][:19] + "+00:00"
    await desk.sql("UPDATE suite.switches SET expires_at = now() - interval '1 s'")
    assert await desk.stops() == []
    assert "Nothing is stopped under the number 1" in await desk.fails("resume", "1", *WHY)


async def test_stopping_what_is_stopped_says_so_and_records_nothing_more(desk: Desk) -> None:
    await desk.does("stop", "tenant", "acme", *WHY)
    (said,) = await desk.does("stop", "tenant", "acme", "--for", "1h", "--reason", "another")
    assert said.startswith("Was stopped already as 1, by ")
    assert said.endswith(": tenant acme: a leak.")
    assert [record["reason"] for record in await desk.records()] == ["a leak"]


async def test_a_token_is_read_from_standard_input_and_shown_nowhere(desk: Desk) -> None:
    long, short = int(time.time()) + 3 * DAY_S, int(time.time()) - 60
    for number, (token_id, exp) in enumerate({"jti-long": long, "jti-short": short, "jti-none": None}.items(), 1):
        token = jwt(jti=token_id, exp=exp, sub="secret-subject", iss="https://i.example")
        given = {1: token, 2: f"  {token}\n", 3: f"Bearer {token}\n"}[number]
        ended = await desk.run("stop", "token", *WHY, stdin=given)
        assert ended.exit_code == 0, ended.output
        assert f"token {token_id} until" in ended.stdout
        assert token not in ended.output
        assert "secret-subject" not in ended.output
    kept = {
        row["name"]: row["left_s"]
        for row in await desk.sql("SELECT name, extract(epoch FROM expires_at - now()) AS left_s FROM suite.switches")
    }
    assert 3 * DAY_S < kept["jti-long"] < 3 * DAY_S + 700
    for name in ("jti-short", "jti-none"):
        assert DAY_S < kept[name] < DAY_S + 700, "what a token says of its end may have been changed"
    assert [record["token_id"] for record in await desk.records()] == ["jti-long", "jti-short", "jti-none"]


def test_a_token_is_known_by_the_claim_its_issuer_has_for_that() -> None:
    token = jwt(uti="entra-1", jti="other", exp=0, iss="https://i.example")
    assert token_given(token, {"https://i.example": "uti"})[0] == "entra-1"
    assert token_given(token, {"https://elsewhere.example": "uti"})[0] == "other"
    with pytest.raises(Misconfigured, match="no sid to know it by"):
        token_given(token, {"https://i.example": "sid"})


REFUSED = (
    ("stop tool customers.merge_customer", "", "customers.merge_customers"),
    ("stop tool customers", "", "customers.get_customer"),
    ("stop tool custommers.get_customer", "", "there are: console, customers"),
    ("stop server custommers", "", "there are: console, customers"),
    ("stop server ../customers", "", "there are: console, customers"),
    ("stop tenant acme --for 2weeks", "", "90s, 30m, 2h or 7d"),
    ("stop tenant acme --for 0s", "", "90s, 30m, 2h or 7d"),
    ("stop tenant acme --for 9999999d", "", "90s, 30m, 2h or 7d"),
    ("stop user a\x00b --tenant acme", "", "the subject must be one line"),
    ("stop user ann --tenant \u202eemca", "", "--tenant must be one line"),
    ("stop token", "", "holds no JWT"),
    ("stop token", "opaque-token", "stop its login or its user"),
    ("stop token", "a.b.c", "holds no JWT"),
    ("stop token", jwt(sub="ann"), "has no jti"),
    ("stop token", jwt(jti="two\nlines"), "the jti must be one line"),
    ("stop token", jwt(jti="x" * 70_000), "holds no JWT"),
    ("resume 9", "", "`mcp-suite stops` lists what is"),
)


async def test_what_cannot_be_done_is_said_in_one_sentence_and_changes_nothing(desk: Desk) -> None:
    for words, stdin, said in REFUSED:
        assert said in await desk.fails(*words.split(" "), *WHY, stdin=stdin), words
    for reason in ("", " ", ".", "two\nlines", "x" * 301, "\x1b[31mred"):
        assert "--reason must be one line" in await desk.fails("stop", "tenant", "acme", "--reason", reason)
    for without in (("stop", "tenant", "acme"), ("stop", "user", "ann", *WHY), ("resume", "1")):
        assert (await desk.run(*without)).exit_code == 2
    assert await desk.sql("SELECT 1 FROM suite.switches") == []
    assert await desk.records() == []


async def test_a_name_nobody_ever_called_under_is_stopped_with_a_note(desk: Desk) -> None:
    unknown = await desk.run("stop", "user", "an", "--tenant", "acme", *WHY)
    assert (unknown.exit_code, "spelt as tokens spell it" in unknown.stderr) == (0, True)
    await desk.sql(
        "INSERT INTO suite.audit (chain, seq, id, at, kind, tenant, subject, body, key_id, prev_hash, hash)"
        " SELECT chain, 99, gen_random_uuid(), now(), 'call', 'acme', 'ann', '', '', '', '' FROM suite.audit LIMIT 1"
    )
    for words in (("user", "ann", "--tenant", "acme"), ("tenant", "acme")):
        known = await desk.run("stop", *words, *WHY)
        assert (known.exit_code, known.stderr) == (0, "")


async def test_a_stop_needs_neither_redis_nor_the_rights_of_who_serves(desk: Desk) -> None:
    for number, url in enumerate((None, "redis://127.0.0.1:1/0"), 1):
        desk.env["SUITE_REDIS_URL"] = url
        said = await desk.does("stop", "tenant", f"acme-{number}", *WHY)
        assert said[0].startswith(f"Stopped as {number}: ")
    desk.env["SUITE_DATABASE_OPERATOR_URL"] = desk.urls.app
    assert "may not stop anything" in await desk.fails("resume", "1", *WHY)
    desk.env["SUITE_DATABASE_OPERATOR_URL"] = None
    assert "SUITE_DATABASE_OPERATOR_URL is needed" in await desk.fails("resume", "1", *WHY)
    desk.env["SUITE_DATABASE_OPERATOR_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    assert "cannot be reached" in await desk.fails("stops")
    desk.env["SUITE_DATABASE_OPERATOR_URL"] = desk.urls.operator
    assert [one["tenant"] for one in await desk.stops()] == ["acme-1", "acme-2"]
    await desk.sql("DROP TABLE suite.switches")
    assert "mcp-suite db migrate" in await desk.fails("stops")


def test_everything_a_server_offers_has_a_name_to_stop_it_by() -> None:
    names = targets(servers.load("customers"))
    assert {"merge_customers", "read_customer", "draft_customer_reply"} <= set(names)
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("stop", "within a second"),
        ("stop tool", "missing from lists"),
        ("stop server", "everything of a server"),
        ("stop client", "acts for others"),
        ("stop user", "--tenant"),
        ("stop tenant", "everybody"),
        ("stop token", "never from the command line"),
        ("stop login", "sid"),
        ("stops", "JSON lines"),
        ("resume", "Lift stops"),
    ],
)
def test_the_commands_explain_themselves(words: str, said: str) -> None:
    shown = CliRunner().invoke(app, [*words.split(), "--help"], env={"COLUMNS": "160"})
    assert (shown.exit_code, said in shown.stdout) == (0, True), shown.output
