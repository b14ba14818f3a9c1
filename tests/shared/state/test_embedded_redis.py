import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from shared.core.errors import Misconfigured
from shared.state import engines
from shared.state.embedded_redis import embedded_redis
from shared.state.engines import Source

OWNER = """
import sys
from pathlib import Path
from shared.state.embedded_redis import embedded_redis
with embedded_redis(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("source", ["system", "wheel"])
def test_starts_from_each_source_names_the_engine_and_stops(tmp_path: Path, source: Source) -> None:
    try:
        engines.find_redis(source)
    except Misconfigured:
        pytest.skip(f"no Redis from {source} on this machine")
    with embedded_redis(tmp_path, source=source) as server:
        with redis.Redis.from_url(server.url) as client:  # pyright: ignore[reportUnknownMemberType]
            info = client.info("server")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            assert info.get("valkey_version", info["redis_version"]) == server.engine.version
        assert server.engine.source == source
        assert server.url not in repr(server)
    assert not answers(port_of(server.url))


def test_it_listens_on_loopback_asks_for_the_password_and_keeps_it_private(tmp_path: Path) -> None:
    with embedded_redis(tmp_path) as server:
        password = urlsplit(server.url).password or ""
        with socket.create_connection(("127.0.0.1", port_of(server.url)), timeout=5) as stranger:
            stranger.sendall(b"GET key\r\n")
            assert stranger.recv(100).startswith(b"-NOAUTH")
        assert (tmp_path / "redis.conf").stat().st_mode & 0o777 == 0o600
        if sys.platform == "linux":
            commands = [path.read_bytes() for path in children_of("self") if path.exists()]
            assert any(b"127.0.0.1" in command for command in commands)
            assert not any(password.encode() in command for command in commands)


def children_of(process: str) -> list[Path]:
    listed = " ".join(file.read_text() for file in Path(f"/proc/{process}/task").glob("*/children"))
    return [Path(f"/proc/{pid}/cmdline") for pid in listed.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
def test_it_dies_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    port = port_of(owner.stdout.readline().strip())
    assert answers(port)
    owner.kill()
    owner.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while answers(port):
        assert time.monotonic() < deadline, "the server outlived its owner"
