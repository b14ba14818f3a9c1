"""Redis over TLS: also what every call asks, over the one connection that all share."""

from pathlib import Path
from typing import Any, cast

import pytest
from redis.exceptions import RedisError

from shared.core.settings import Settings
from shared.state.multiplexed import MultiplexedRedis
from shared.state.redis import open_redis
from tests.authority import Authority
from tests.tls_redis import TlsRedis, tls_redis

pytestmark = pytest.mark.anyio


def settings_of(server: TlsRedis, **settings: Any) -> Settings:
    values: dict[str, Any] = {"redis_url": server.url, "redis_ca": server.authority.file, **settings}
    return Settings(**values)


async def said(server: TlsRedis, **settings: Any) -> bytes:
    """What a value is, written redis-py's way and read over the shared connection."""
    async with open_redis(server.url, settings_of(server, **settings)) as client:
        await client.set("suite:{acme}:greeting", "hello")
        assert cast("MultiplexedRedis", client).shared is not None
        return await cast("Any", client).execute_command("GETEX", "suite:{acme}:greeting")


async def test_both_ways_to_redis_are_encrypted_and_sign_in_as_a_user_of_their_own(tmp_path: Path) -> None:
    with tls_redis(tmp_path) as server:
        assert await said(server) == b"hello"


async def test_a_server_of_another_authority_is_told_no_password(tmp_path: Path) -> None:
    with tls_redis(tmp_path) as server:
        other = Authority(tmp_path, "other").file
        for ask in ("SET", "GETEX"):
            async with open_redis(server.url, settings_of(server, redis_ca=other)) as client:
                asked = cast("Any", client).execute_command
                with pytest.raises((RedisError, OSError), match=r"(?i)certificate"):
                    await asked(ask, "suite:{acme}:greeting", *(["x"] if ask == "SET" else []))


async def test_a_certificate_of_ours_is_shown_where_redis_wants_one(tmp_path: Path) -> None:
    clients = Authority(tmp_path, "clients")
    own = clients.sign("replica", "customers-1")
    with tls_redis(tmp_path, clients=clients) as server:
        assert await said(server, redis_certificate=own.certificate, redis_key=own.key) == b"hello"
        with pytest.raises((RedisError, OSError)):
            await said(server)


async def test_both_ways_find_a_server_that_came_back_with_a_certificate_of_a_new_authority(tmp_path: Path) -> None:
    trusted = tmp_path / "trusted.pem"
    new = Authority(tmp_path, "renewed")
    with tls_redis(tmp_path) as server:
        trusted.write_bytes(server.authority.file.read_bytes())
        settings = settings_of(server, redis_ca=trusted)
        async with open_redis(server.url, settings) as client:
            ask = cast("Any", client).execute_command
            await ask("SET", "suite:{acme}:a", "1")
            assert await ask("GETEX", "suite:{acme}:a") == b"1"
            server.end()
            trusted.write_bytes(new.file.read_bytes())
            server.start(new.sign("redis", "127.0.0.1"))
            await ask("SET", "suite:{acme}:a", "2")
            assert await ask("GETEX", "suite:{acme}:a") == b"2"
