"""What every call asks of Redis goes over one connection, and never gets another call's answer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import anyio
import pytest
from redis.exceptions import RedisError

from shared.core.settings import Settings
from shared.state.embedded_redis import EmbeddedRedis
from shared.state.multiplexed import Place, SharedLine, place_of
from shared.state.redis import open_redis
from tests.own_redis import own_redis

pytestmark = pytest.mark.anyio

FOREVER_S = 60.0
OK = b"$2\r\nok\r\n"


class Talker(asyncio.Protocol):
    """One connection of a server that says the same to every command."""

    def __init__(self, saying: bytes) -> None:
        self.saying = saying
        self.lost = anyio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.saying * data.count(b"GETEX"))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost.set()


class Fake:
    """A server with a saying for each connection; the last goes for all later ones, too."""

    def __init__(self, *sayings: bytes) -> None:
        self.sayings = sayings
        self.talkers: list[Talker] = []

    @asynccontextmanager
    async def served(self, patience_s: float = FOREVER_S) -> AsyncGenerator[SharedLine]:
        server = await asyncio.get_running_loop().create_server(self._talker, "127.0.0.1", 0)
        shared = SharedLine(Place("127.0.0.1", server.sockets[0].getsockname()[1], ()), patience_s)
        with anyio.fail_after(10):
            async with server:
                try:
                    yield shared
                finally:
                    shared.end()
                    for talker in self.talkers:
                        await talker.lost.wait()

    def _talker(self) -> Talker:
        talker = Talker(self.sayings[min(len(self.talkers), len(self.sayings) - 1)])
        self.talkers.append(talker)
        return talker


def other_database(url: str, number: int) -> str:
    return f"{url.rpartition('/')[0]}/{number}"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://redis.internal", Place("redis.internal", 6379, [])),
        ("redis://redis.internal:6380/0", Place("redis.internal", 6380, [])),
        ("redis://:p%40ss@h/3", Place("h", 6379, [("AUTH", "p@ss"), ("SELECT", "3")])),
        ("redis://us%65r:pass@[::1]:1/", Place("::1", 1, [("AUTH", "user", "pass")])),
        ("rediss://h", None),
        ("unix:///run/redis.sock", None),
        ("redis://h?protocol=3", None),
        ("redis://h/name", None),
    ],
)
def test_what_a_url_says_is_understood_or_left_to_redis_py(url: str, place: Place | None) -> None:
    assert place_of(url) == place


async def test_what_is_asked_often_takes_one_connection_however_many_ask(redis_server: EmbeddedRedis) -> None:
    name = uuid4().hex
    async with open_redis(other_database(redis_server.url, 7), Settings()) as redis:
        await redis.mset({f"{name}{number}": number for number in range(200)})
        asked = [redis.getex(f"{name}{number}", ex=60) for number in range(200)]
        answers = await asyncio.gather(*asked)
        look: Any = redis.client_list  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        clients = [client for client in await look() if client["db"] == "7"]
        assert [int(answer or -1) for answer in answers] == list(range(200))
        assert len(clients) == 2, "one of the pool's, one for what is asked often"
        assert {client["cmd"] for client in clients} == {"client|list", "getex"}


async def test_a_call_that_gives_up_takes_nobody_elses_answer(redis_server: EmbeddedRedis) -> None:
    name = uuid4().hex
    async with open_redis(redis_server.url, Settings()) as redis:
        await redis.mset({f"{name}{number}": number for number in range(100)})
        ask: Any = redis.getex
        asked = [asyncio.create_task(ask(f"{name}{number}", ex=60)) for number in range(100)]
        await asyncio.sleep(0)  # each has asked, and none has its answer
        for task in asked[::3]:
            task.cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for number, answer in enumerate(answers):
            assert isinstance(answer, asyncio.CancelledError) if number % 3 == 0 else answer == b"%d" % number


async def test_a_refusal_is_raised_and_the_next_answer_is_right(redis_server: EmbeddedRedis) -> None:
    async with open_redis(redis_server.url, Settings()) as redis:
        with pytest.raises(RedisError, match="NOSCRIPT"):
            await redis.evalsha("0" * 40, 0)
        assert await redis.getex(uuid4().hex, ex=60) is None


async def test_a_wrong_password_is_told(redis_server: EmbeddedRedis) -> None:
    async with open_redis(f"redis://:wrong@{redis_server.url.rpartition('@')[2]}", Settings()) as redis:
        with pytest.raises(RedisError, match="WRONGPASS"):
            await redis.getex("key", ex=60)


async def test_after_a_restart_the_first_call_finds_the_server_again(tmp_path: Path) -> None:
    with own_redis(tmp_path) as server, anyio.fail_after(20):
        async with open_redis(server.url, Settings()) as redis:
            assert await redis.getex("key", ex=60) is None
            server.kill()
            with pytest.raises(OSError, match=r"[Cc]onnect"):
                await redis.getex("key", ex=60)
            server.start()
            assert await redis.getex("key", ex=60) is None


async def test_a_connection_without_answers_is_given_up_with_the_first_call_that_gives_up() -> None:
    fake = Fake(b"", OK)
    async with fake.served(patience_s=0.01) as shared:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await shared.ask(["GETEX", "key"])
        assert await shared.ask(["GETEX", "key"]) == b"ok"
        assert len(fake.talkers) == 2


async def test_a_call_that_gives_up_early_ends_no_connection() -> None:
    fake = Fake(OK)
    async with fake.served() as shared:
        await shared.ask(["GETEX", "key"])
        task = asyncio.create_task(shared.ask(["GETEX", "key"]))
        await asyncio.sleep(0)
        task.cancel()
        assert await shared.ask(["GETEX", "key"]) == b"ok"
        assert len(fake.talkers) == 1


async def test_a_server_that_lost_its_office_is_looked_for_anew() -> None:
    fake = Fake(b"-READONLY You can't write against a read only replica.\r\n", OK)
    async with fake.served() as shared:
        with pytest.raises(RedisError, match="READONLY"):
            await shared.ask(["GETEX", "key"])
        assert await shared.ask(["GETEX", "key"]) == b"ok"
        assert len(fake.talkers) == 2


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", OK + OK])
async def test_answers_that_no_longer_match_end_the_connection(nonsense: bytes) -> None:
    fake = Fake(nonsense, OK)
    async with fake.served() as shared:
        first = await shared.ask(["GETEX", "key"])
        assert first == b"ok"
        assert await shared.ask(["GETEX", "key"]) == b"ok"
        assert len(fake.talkers) == 2


async def test_everything_else_goes_the_usual_way(redis_server: EmbeddedRedis) -> None:
    async with open_redis(redis_server.url, Settings()) as redis:
        assert await redis.set(uuid4().hex, 1, ex=60) is True
