"""`mcp-suite` itself, as real processes: what it prints, how it ends, and what it leaves."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
import httpx
import pytest
from typer.testing import CliRunner

import servers
from servers.customers import demo
from shared.core.settings import Settings
from shared.ops import cli
from shared.ops.cli import app
from shared.ops.serving import addresses, identity_provider
from shared.state.database import connect
from shared.state.embedded import EmbeddedPostgres
from shared.state.roles import Passwords, ensure_roles
from tests.clients.processes import eventually, processes_of
from tests.harness import Suite, modern, modern_headers
from tests.processes import COMMAND, free_port
from tests.services import source

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes are left"),
]

Make = Callable[..., Awaitable[Suite]]
HELPED = {
    "": "connect",
    "up": "demo data",
    "serve": "--stdio",
    "doctor": "--tenant",
    "doctor auth": "--token",
    "connect": "--write",
    "bundle": "--into",
    "token": "--alone",
    "audit": "verify",
    "audit verify": "exit code 1",
    "audit query": "--request-id",
    "db": "migrate",
    "db migrate": "newest revision",
    "db seed": "--customers",
}


def environment(folder: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUITE_", "DATABASE_", "REDIS_"))}
    return kept | {"COLUMNS": "160", "SUITE_DATA_DIR": str(folder), **settings}


def run(words: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([COMMAND, *words.split()], env=env, capture_output=True, text=True, timeout=60, check=False)


def fails(words: str, env: dict[str, str]) -> str:
    """The one sentence a command that fails as foreseen says on stderr."""
    ended = run(words, env)
    assert (ended.returncode, ended.stdout) == (1, ""), ended
    (line,) = ended.stderr.splitlines()
    return line


@pytest.mark.parametrize("words", HELPED)
def test_every_command_explains_itself(words: str) -> None:
    said = CliRunner().invoke(app, [*words.split(), "--help"], env={"COLUMNS": "160"})
    assert (said.exit_code, HELPED[words] in said.stdout) == (0, True), said.output


async def test_a_token_of_the_command_is_good_for_the_server_it_names(own_suite: Make, tmp_path: Path) -> None:
    suite = await own_suite()
    env = environment(tmp_path, SUITE_PORT=str(suite.settings.port))
    got = [await anyio.to_thread.run_sync(run, words, env) for words in ("token support", "token support --alone")]
    mounted, alone = (ended.stdout.strip() for ended in got)
    assert (await suite.post(mounted, "tools/list", {})).status_code == 200
    assert (await suite.post(alone, "tools/list", {})).status_code == 401
    await suite.post(mounted, "tools/list", {})
    assert {found["subject"] for found in await suite.records(target="tools/list")} == {"acme-support-agent"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("token [/red]", "there are: support, manager"),
        ("serve ../customers", "there are: console, customers"),
        ("connect inspector --write", "no configuration file"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence_that_names_what_is(tmp_path: Path, words: str, said: str) -> None:
    assert said in fails(words, environment(tmp_path))


def test_where_a_real_provider_is_named_the_mock_one_gives_no_tokens(tmp_path: Path) -> None:
    said = fails("token manager", environment(tmp_path, SUITE_ISSUER="https://login.example.com"))
    assert "SUITE_ISSUER" in said
    assert not (tmp_path / "idp").exists()


def test_connect_writes_into_the_file_of_the_one_who_runs_it(tmp_path: Path) -> None:
    env = environment(tmp_path / "data", HOME=str(tmp_path), SUITE_PORT="18080")
    assert run("connect cursor --write", env).returncode == 0
    entries = {
        f"suite-{server.name}": {"type": "http", "url": f"http://127.0.0.1:18080/{server.name}/mcp"}
        for server in servers.over_mcp()
    }
    written = json.loads((tmp_path / ".cursor" / "mcp.json").read_text())
    assert written == {"mcpServers": entries}


def of(suite: Suite) -> dict[str, str]:
    """The environment of a command that looks at a suite of ours."""
    return environment(
        suite.settings.data_dir, DATABASE_URL=suite.urls.app, SUITE_DATABASE_READER_URL=suite.urls.reader
    )


async def test_verify_finds_the_changed_record_and_says_so_by_its_exit_code(own_suite: Make) -> None:
    suite = await own_suite()
    await suite.call("manager", "get_customer", {"customer_id": "C-000001"})
    intact = await anyio.to_thread.run_sync(run, "audit verify", of(suite))
    assert (intact.returncode, intact.stdout.strip()) == (
        0,
        "1 checkpoints of how far chains go\n2 records in 1 chains: intact",
    ), intact
    ((chain, seq),) = await suite.sql(
        "UPDATE suite.audit SET subject = 'somebody-else' WHERE target = 'get_customer' RETURNING chain, seq"
    )
    changed = await anyio.to_thread.run_sync(run, "audit verify", of(suite))
    assert changed.returncode == 1
    assert f"{chain}/{seq} " in changed.stdout
    assert "subject: the column differs" in changed.stdout
    assert changed.stdout.endswith("2 records in 1 chains: 1 problems\n")


async def test_query_prints_the_records_that_fit_as_json_lines_the_newest_first(own_suite: Make) -> None:
    suite = await own_suite()
    for persona, number in (("manager", 1), ("outsider", 1), ("support", 999_999), ("support", 1), ("support", 2)):
        await suite.call(persona, "get_customer", {"customer_id": f"C-{number:06}"})
    await suite.post(suite.token("support"), "tools/list", {})
    everything = await suite.records(target="get_customer")

    async def found(words: str) -> list[dict[str, Any]]:
        ended = await anyio.to_thread.run_sync(run, f"audit query {words}", of(suite))
        assert ended.returncode == 0, ended
        return [json.loads(line) for line in ended.stdout.splitlines()]

    filters = "--target get_customer --tenant acme --subject acme-support-agent --outcome ok"
    assert await found(f"{filters} --since 2026-01-01") == everything[:2]
    assert await found(f"--request-id {everything[4]['request_id']} --since 2026-01-01T00:00:00") == [everything[4]]
    assert await found("--since 2100-01-01") == []


async def test_the_audit_is_not_read_by_the_serving_role(own_suite: Make) -> None:
    env = of(await own_suite())
    del env["SUITE_DATABASE_READER_URL"]
    assert "SUITE_DATABASE_READER_URL" in fails("audit verify", env)


async def test_migrating_and_seeding_twice_changes_nothing(
    postgres: EmbeddedPostgres, role_passwords: Passwords, tmp_path: Path
) -> None:
    urls = await ensure_roles(postgres.admin_url, role_passwords, f"empty_{uuid4().hex[:12]}")
    env = environment(tmp_path, DATABASE_URL=urls.app, SUITE_DATABASE_OWNER_URL=urls.owner)
    migrated = await anyio.to_thread.run_sync(run, "db migrate", env)
    assert (migrated.returncode, migrated.stdout) == (0, "Every schema is at its newest revision.\n"), migrated
    await demo.seed(urls.owner, 20, 10)
    seeded = await anyio.to_thread.run_sync(run, "db seed --customers 40 --orders 10", env)
    assert (seeded.returncode, seeded.stdout) == (0, "The demo data is there.\n"), seeded
    admin = await connect(urlsplit(postgres.admin_url)._replace(path=urlsplit(urls.app).path).geturl(), "test")
    assert await admin.fetchval("SELECT count(*) FROM customers.customers") == 20
    await admin.close()


class Up:
    """`mcp-suite up` on a free port over an embedded database of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "data"
        self.out = folder / "out.txt"
        self.port = free_port()
        self.env = environment(self.home, SUITE_PORT=str(self.port), SUITE_EMBEDDED_SOURCE=source())

    @contextmanager
    def running(self) -> Generator["subprocess.Popen[bytes]"]:
        """The process, ready to be called; killed at the end if it still runs."""
        self.out.write_bytes(b"")
        with self.out.open("ab") as out:
            process = subprocess.Popen([COMMAND, "up"], env=self.env, stdout=out, stderr=out)
        try:
            self._await_ready(process)
            yield process
        finally:
            process.kill()
            process.wait(10)

    def _await_ready(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, self.shown()
            assert time.monotonic() < deadline, self.shown()
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/readyz").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.02)
            else:
                return

    def shown(self) -> str:
        return self.out.read_text()

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        settings = Settings(port=self.port, data_dir=self.home)
        where = addresses(settings, servers.every(), alone=False)
        provider = identity_provider(settings, servers.every(), where)
        assert provider is not None
        url = where["customers"].resource
        params = {"name": tool, "arguments": arguments}
        headers = modern_headers("tools/call", params) | {"Authorization": f"Bearer {provider.mint('manager', url)}"}
        answer = httpx.post(url, json=modern("tools/call", params), headers=headers, timeout=30)
        return answer.json()["result"]["structuredContent"]


def test_a_data_folder_that_cannot_be_had_is_named_in_one_sentence(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    said = fails("audit query", environment(in_the_way))
    assert said == f"the data folder {in_the_way} cannot be made (File exists): name another with SUITE_DATA_DIR"


def test_a_file_that_others_keep_from_us_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied() -> None:
        raise ExceptionGroup("tasks", [PermissionError(errno.EACCES, "Permission denied", "/data/keys")])

    monkeypatch.setattr(cli, "app", denied)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    assert capsys.readouterr().err.startswith("/data/keys: Permission denied. SUITE_DATA_DIR names")


def test_an_error_that_nobody_foresaw_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(OSError, match="Bad file descriptor"):
        cli.main()


@pytest.mark.parametrize("words", ["audit query", "audit verify"])
def test_an_audit_that_is_not_there_yet_is_no_crash(words: str, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    env = environment(tmp_path, SUITE_DATABASE_URL=postgres.admin_url, SUITE_DATABASE_READER_URL=postgres.admin_url)
    assert fails(words, env) == "there is no audit yet: run `make up`, or `mcp-suite db migrate`, first"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Up:
    return Up(tmp_path_factory.mktemp("up"))


async def test_up_shows_where_everything_is_then_each_call_refuses_a_second_one_and_ends_with_ctrl_c(up: Up) -> None:
    base = f"http://127.0.0.1:{up.port}"
    with up.running() as process:
        welcome = up.shown()
        for word in (f"{base}/customers/mcp", f"{base}/idp", f"{base}/readyz", "manager", "globex", '"--stdio"'):
            assert word in welcome
        assert f'"command": "{COMMAND.resolve()}"' in welcome
        assert "npx -y @modelcontextprotocol/inspector@" in welcome
        assert "error" not in up.call("get_customer", {"customer_id": "C-000001"})
        assert up.call("get_customer", {"customer_id": "C-999999"})["error"]["code"] == "not_found"
        ok, missing = (line.split() for line in up.shown().removeprefix(welcome).splitlines())
        assert [ok[1:4], missing[1:4]] == [
            ["acme/acme-sales-manager", "customers.get_customer", outcome] for outcome in ("ok", "not_found")
        ]
        second = await anyio.to_thread.run_sync(fails, "up", up.env)
        assert f"127.0.0.1:{up.port}" in second
        assert "SUITE_PORT" in second
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0, up.shown()
        assert time.monotonic() - started < 5
    assert "Traceback" not in up.shown()
    assert processes_of(up.home) == {}


async def test_after_a_kill_no_process_is_left_and_the_next_start_has_every_row(up: Up) -> None:
    new = {"name": "Survivor", "segment": "consumer", "country": "DE", "idempotency_key": "survivor-1"}
    with up.running() as process:
        made = up.call("create_customer", new)
        process.kill()
        process.wait(10)
        await eventually(lambda: processes_of(up.home) == {}, 10)
    with up.running() as process:
        assert up.call("get_customer", {"customer_id": made["customer"]["id"]}) == made["customer"]
        assert up.call("create_customer", new) == made
        verified = await anyio.to_thread.run_sync(run, "audit verify", up.env)
        assert (verified.returncode, verified.stdout.split()[-1]) == (0, "intact")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, up.shown()
    assert processes_of(up.home) == {}
