"""Real services for the tests: started once a session, or the ones the environment names.

SUITE_EMBEDDED_SOURCE            auto · system · wheel: where embedded engines come from
SUITE_TEST_DATABASE_ADMIN_URL    an administrator of a PostgreSQL to use instead
REDIS_URL                        a Redis to use instead
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar, cast

import asyncpg
import pytest
import redis

from shared.state.embedded import EmbeddedPostgres, embedded_postgres
from shared.state.embedded_redis import EmbeddedRedis, embedded_redis
from shared.state.engines import Engine, Source
from shared.state.roles import Passwords
from tests.reporting import say

T = TypeVar("T")

# The embedded PostgreSQL speaks no TLS. Asked for it all the same, a connection that is given up while it asks leaves
# an error behind that nobody awaits (asyncpg), and some later test fails of it.
if "SUITE_TEST_DATABASE_ADMIN_URL" not in os.environ:
    os.environ.setdefault("PGSSLMODE", "disable")


def source() -> Source:
    return cast("Source", os.environ.get("SUITE_EMBEDDED_SOURCE", "auto"))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Generator[EmbeddedPostgres]:
    """A server of the session's own, or the one SUITE_TEST_DATABASE_ADMIN_URL administers."""
    given = os.environ.get("SUITE_TEST_DATABASE_ADMIN_URL")
    if given:
        said = _postgres_says(given)
        _note(pytestconfig, "PostgreSQL", f"{said} (SUITE_TEST_DATABASE_ADMIN_URL)")
        yield EmbeddedPostgres(given, Engine("PostgreSQL", said.split()[1], "environment"))
        return
    with embedded_postgres(tmp_path_factory.mktemp("postgres"), source=source(), durable=False) as server:
        _note(pytestconfig, "PostgreSQL", f"{_postgres_says(server.admin_url)} ({server.engine.source})")
        yield server


@pytest.fixture(scope="session")
def role_passwords() -> Passwords:
    """Roles belong to the whole server: every database the session makes there must use these."""
    return Passwords.random()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Generator[EmbeddedRedis]:
    """A server of the session's own, or the one REDIS_URL names. Tests keep to keys of their own."""
    given = os.environ.get("REDIS_URL")
    if given:
        name, version = _redis_says(given)
        _note(pytestconfig, "Redis", f"{name} {version} (REDIS_URL)")
        yield EmbeddedRedis(given, Engine(name, version, "environment"))
        return
    with embedded_redis(tmp_path_factory.mktemp("redis"), source=source()) as server:
        name, version = _redis_says(server.url)
        _note(pytestconfig, "Redis", f"{name} {version} ({server.engine.source})")
        yield server


def pytest_report_header() -> str:
    return f"embedded engines: {source()} (SUITE_EMBEDDED_SOURCE); those really used are named at the end"


def _note(config: pytest.Config, service: str, text: str) -> None:
    say(config, "engines these tests ran on", f"{service}: {text}")


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run asynchronous work in a synchronous fixture."""

    async def once() -> T:
        return await work()

    with asyncio.Runner() as runner:
        return runner.run(once())


def _postgres_says(url: str) -> str:
    async def version() -> str:
        connection = cast("Any", await asyncpg.connect(url))  # pyright: ignore[reportUnknownMemberType]
        try:
            return await connection.fetchval("SELECT version()")
        finally:
            await connection.close()

    return run(version)


def _redis_says(url: str) -> tuple[str, str]:
    with redis.Redis.from_url(url) as client:  # pyright: ignore[reportUnknownMemberType]
        info: dict[str, Any] = client.info("server")  # pyright: ignore[reportUnknownMemberType]
    if "valkey_version" in info:  # Valkey also states a redis_version, of the Redis it resembles
        return "Valkey", str(info["valkey_version"])
    return "Redis", str(info["redis_version"])
