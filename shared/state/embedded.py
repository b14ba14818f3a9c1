"""A real PostgreSQL without Docker, shared by every process that names the same directory.

The first process to come starts it, by way of a supervisor that belongs to none of them
(`shared/state/supervisor.py`); later ones attach; when the last one leaves or is killed, it stops.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import anyio

from shared.core.errors import Misconfigured
from shared.state.engines import Engine, Source, find_postgres
from shared.state.locks import is_held, open_lock, try_lock
from shared.state.processes import clean_environment

_START_S = 180.0  # initdb on a slow disk included
_STOP_S = 30.0
_POLL_S = 0.005


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running server. `admin_url` is its superuser's, on 127.0.0.1; the password in it is random."""

    admin_url: str = field(repr=False)
    engine: Engine


@contextmanager
def embedded_postgres(data_dir: Path, *, source: Source = "auto", durable: bool = True) -> Generator[EmbeddedPostgres]:
    """The server of `data_dir`, started if need be (0.1 s, the first time 1 s), for as long as the context lasts.

    Args:
        data_dir: Made with mode 0700 if missing; no other directory is touched.
        source: Where the programs come from: the machine first (`auto`), only the machine, only the wheel.
        durable: Whether a commit survives a power cut. Tests switch it off.

    Raises:
        Misconfigured: No fitting PostgreSQL, somebody else's directory, or a start that failed; says which.
    """
    home = _prepared(data_dir)
    client = open_lock(home / "clients.lock")
    try:
        _enter(client)
        yield _running(home, source, durable=durable)
    finally:
        _leave(client, home)


@asynccontextmanager
async def open_embedded_postgres(
    data_dir: Path, *, source: Source = "auto", durable: bool = True
) -> AsyncGenerator[EmbeddedPostgres]:
    """`embedded_postgres` for asynchronous code: the event loop runs on while the server starts and stops."""
    context = embedded_postgres(data_dir, source=source, durable=durable)
    server = await anyio.to_thread.run_sync(context.__enter__)
    try:
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(context.__exit__, None, None, None)


def _prepared(data_dir: Path) -> Path:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    home = data_dir.resolve()
    owner, me = home.stat().st_uid, os.geteuid()
    if owner != me:
        raise Misconfigured(
            f"{home} belongs to user {owner}, but this is user {me}: run as its owner, or name another SUITE_DATA_DIR"
        )
    return home


def _enter(client: int) -> None:
    """Be counted among the users; the supervisor bars the door only while it stops."""
    deadline = time.monotonic() + _STOP_S
    while not try_lock(client, fcntl.LOCK_SH):
        if time.monotonic() > deadline:
            raise Misconfigured("the embedded database does not finish stopping; see its postgres.log")
        time.sleep(_POLL_S)


def _running(home: Path, source: Source, *, durable: bool) -> EmbeddedPostgres:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        facts = _announced(home)
        if facts is not None:
            return _fitting(facts, source, durable=durable)
        if not is_held(home / "supervisor.lock"):
            _start_supervisor(home, source, durable=durable)
        time.sleep(_POLL_S)
    raise Misconfigured(f"the embedded database did not start in {_START_S:.0f} s; see {home}/postgres.log")


def _announced(home: Path) -> dict[str, Any] | None:
    path = home / "runtime.json"
    if not is_held(path):
        return None
    with suppress(FileNotFoundError):
        return json.loads(path.read_text())
    return None


def _fitting(facts: dict[str, Any], source: Source, *, durable: bool) -> EmbeddedPostgres:
    engine = Engine(**facts["engine"])
    if source not in ("auto", engine.source):
        raise Misconfigured(f"{engine} is running on this directory, but SUITE_EMBEDDED_SOURCE={source}: stop it first")
    if durable and not facts["durable"]:
        raise Misconfigured("this directory's server runs without durability, for tests: use another directory")
    return EmbeddedPostgres(facts["admin_url"], engine)


def _start_supervisor(home: Path, source: Source, *, durable: bool) -> None:
    """Returns when the server is ready, or another process's supervisor was faster."""
    found = find_postgres(source, _major_of(home / "cluster"))
    facts = json.dumps(asdict(found.engine))
    words = [str(home), str(found.path), "durable" if durable else "volatile", facts]
    try:
        ended = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-S", "-m", "shared.state.supervisor", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean_environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=home,
            start_new_session=True,
            timeout=_START_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return
    if ended.stdout:
        raise Misconfigured(f"the embedded database did not start: {ended.stdout.decode(errors='replace').strip()}")


def _major_of(cluster: Path) -> int | None:
    with suppress(FileNotFoundError):
        return int((cluster / "PG_VERSION").read_text())
    return None


def _leave(client: int, home: Path) -> None:
    """Stop being counted; the last one waits until the server has stopped, so that nothing outlives it."""
    last = try_lock(client, fcntl.LOCK_EX) or not try_lock(client, fcntl.LOCK_SH)
    os.close(client)
    deadline = time.monotonic() + _STOP_S
    while last and is_held(home / "supervisor.lock") and time.monotonic() < deadline:
        time.sleep(_POLL_S)
