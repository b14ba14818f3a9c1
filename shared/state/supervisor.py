"""The one owner of an embedded PostgreSQL, for as long as some process uses it.

    python -S -m shared.state.supervisor HOME PROGRAMS DURABLE ENGINE-AS-JSON

Every user of the data directory holds a shared lock on `clients.lock`. This process has PostgreSQL as its
child and stops it when it can lock that file for itself: when the last user has left, or was killed. So no
user owns the server, and whoever is killed, the others go on. If this process is killed, PostgreSQL is told by
the kernel and shuts down cleanly. What it prints before its standard output ends is why it could not start.
"""

import fcntl
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from shared.core.errors import Misconfigured
from shared.state.cluster import Cluster, StartFailed
from shared.state.engines import Engine
from shared.state.locks import open_lock, try_lock
from shared.state.private import draft_private
from shared.state.processes import stop

_WATCH_S = 0.1


def main(home: str, programs: str, durable: str, engine: str) -> None:
    if os.fork():
        return
    folder = Path(home)
    found = Engine(**json.loads(engine))
    cluster = Cluster(folder, Path(programs), found.major, durable == "durable")
    alone = open_lock(folder / "supervisor.lock")  # never closed: it says that this process is there
    if not try_lock(alone, fcntl.LOCK_EX):
        return
    try:
        _serve(cluster, found, open_lock(folder / "clients.lock"))
    except (StartFailed, Misconfigured, OSError) as error:
        print(error, flush=True)  # noqa: T201 - read by the process that started us, or lost


def _serve(cluster: Cluster, engine: Engine, clients: int) -> None:
    cluster.log.unlink(missing_ok=True)
    os.close(os.open(cluster.log, os.O_CREAT | os.O_WRONLY, 0o600))
    cluster.create()
    server, port = cluster.start(None)
    try:
        _announce(cluster, engine, port)
        while not try_lock(clients, fcntl.LOCK_EX):
            if server.poll() is not None:
                server, _ = cluster.start(port)  # it was killed: those attached find it where it was
            time.sleep(_WATCH_S)
    finally:
        stop(server, signal.SIGINT, signal.SIGQUIT)
        (cluster.home / "runtime.json").unlink(missing_ok=True)


def _announce(cluster: Cluster, engine: Engine, port: int) -> None:
    """Publish `runtime.json`, locked as long as we live: unlocked, it is a dead supervisor's."""
    url = f"postgresql://postgres:{cluster.password()}@127.0.0.1:{port}/postgres"
    facts = {"admin_url": url, "owner": os.getpid(), "durable": cluster.durable, "engine": asdict(engine)}
    draft = cluster.home / f"runtime.{os.getpid()}.tmp"
    draft.unlink(missing_ok=True)
    try_lock(draft_private(draft, json.dumps(facts, indent=2)), fcntl.LOCK_EX)
    draft.rename(cluster.home / "runtime.json")
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    os.dup2(silence, 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
